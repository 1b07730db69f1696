"""The one exception that the command line turns into a message."""


class IngestError(Exception):
    """The user can mend this; the message names the thing, its value and the fix."""
