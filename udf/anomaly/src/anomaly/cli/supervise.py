"""`anomaly supervise`: runs a program, and restarts it when the keeper asks for that through a file."""

import argparse
from pathlib import Path

from anomaly.cli.common import UsageError, say
from anomaly.keeper.supervisor import Supervisor


def supervise(options: argparse.Namespace) -> int:
    """Run the program until it ends.

    Returns:
        The program's exit code.

    Raises:
        UsageError: the program cannot be started.
    """
    words = options.words[1:] if options.words[:1] == ["--"] else options.words
    if not words:
        raise UsageError("there is no program to run: write it after the options, such as -- kapacitord")
    try:
        return Supervisor(words, Path(options.restart_file), options.pause, say).run()
    except OSError as error:
        raise UsageError(f"{words[0]} cannot be started: {error.strerror}") from None
