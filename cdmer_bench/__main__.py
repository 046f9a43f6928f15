"""``python -m cdmer_bench`` is the `cdmer` command."""

import sys

from cdmer_bench.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
