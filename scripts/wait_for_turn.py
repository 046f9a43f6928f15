"""Lock an open file, given by its number, for the shell that opened it; say so if that waits."""

import fcntl
import sys

handle, name = int(sys.argv[1]), sys.argv[2]
try:
    fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
except BlockingIOError:
    print(f"another script is making {name}; waiting for it", file=sys.stderr)
    fcntl.flock(handle, fcntl.LOCK_EX)
