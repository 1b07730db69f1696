"""The command line `anomaly`: parses options, calls a use case, prints its result, and maps it to an exit code.

The README has its contract. Each command is a file, and imports what it needs when it runs.
"""

from anomaly.cli.main import main

__all__ = ["main"]
