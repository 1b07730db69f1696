"""Passwords come from a file or the environment, never from the command line, where every user could read them."""

import os
from pathlib import Path

from ingest.errors import IngestError

VARIABLE = "INFLUXDB_PASSWORD"


def read_password(file: Path | None) -> str | None:
    """The password out of the file's first line, or of ``INFLUXDB_PASSWORD``; None if neither is given.

    Raises:
        IngestError: the file can't be read or is empty.
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
