"""What a benchmark fails with."""


class BenchError(Exception):
    """What is wrong, and what to do about it."""
