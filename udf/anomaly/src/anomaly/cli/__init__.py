"""The command line `anomaly`. Its contract is in the README; each command is a file, and imports what it needs when it
runs."""

from anomaly.cli.main import main

__all__ = ["main"]
