"""The one exception that the command line turns into a message."""


class IngestError(Exception):
    """Something the user can act on. Its text names the thing, its value and what to do."""
