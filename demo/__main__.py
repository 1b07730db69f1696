"""Runs the demonstration's command line for ``python -m demo``."""

import signal
import sys

from demo.cli import main

if __name__ == "__main__":
    # SIGTERM acts like Ctrl-C: it ends a running playbook, and a task that is removed for a moment is defined again.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    sys.exit(main())
