"""Reads a password from a file or the environment; on the command line every user of the machine could read it."""

import os
from pathlib import Path

from ingest.errors import IngestError

VARIABLE = "INFLUXDB_PASSWORD"


def read_password(file: Path | None) -> str | None:
    """Return the password.

    Args:
        file: the file whose first line it is; None: the environment's ``INFLUXDB_PASSWORD``.

    Returns:
        The password; None if neither is given.

    Raises:
        IngestError: the file cannot be read or is empty.
    """
    if file is None:
        return os.environ.get(VARIABLE) or None
    try:
        text = file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "is not text"
        raise IngestError(f"--password-file {file}: {reason}. Fix: a readable file that holds the password") from error
    password = text.split("\n", 1)[0].rstrip("\r")
    if not password:
        raise IngestError(f"--password-file {file}: its first line is empty. Fix: write the password there")
    return password
