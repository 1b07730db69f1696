"""``python -m demo``."""

import signal
import sys

from demo.cli import main

if __name__ == "__main__":
    # As Ctrl-C does: a playbook that runs is ended, and a task that is stopped for a moment is started again.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    sys.exit(main())
