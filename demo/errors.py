"""The one exception that the command line turns into a message."""


class DemoError(Exception):
    """A step cannot go on; the message names the thing, its value and the fix."""
