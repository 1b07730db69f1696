"""The entry of `python -m bench.deploy`."""

import sys

from bench.deploy.cli import main

sys.exit(main())
