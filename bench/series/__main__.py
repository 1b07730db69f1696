"""python -m bench.series."""

import sys

from bench.series.cli import main

if __name__ == "__main__":
    sys.exit(main())
