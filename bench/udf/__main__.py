"""The entry of `python -m bench.udf`."""

import sys

from bench.udf.cli import main

sys.exit(main())
