"""``python -m cdmer_bench`` is the `cdmer` command."""

import os
import sys

# Python puts the working folder first, where a queue.py of the user's would stand in for Python's.
sys.path[:] = [folder for folder in sys.path if folder not in ("", os.getcwd())]

from cdmer_bench.cli.main import main  # noqa: E402

if __name__ == "__main__":
    sys.exit(main())
