"""The one exception that the command line turns into a message."""


class DemoError(Exception):
    """A step can't go on. Its text names the thing, its value and what to do."""
