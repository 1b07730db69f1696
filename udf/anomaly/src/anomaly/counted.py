"""A number with what it counts, in a sentence for people: `1 window`, `2,000 windows`."""


def counted(number: int, name: str, several: str | None = None) -> str:
    """Return a number with what it counts.

    Args:
        number: how many there are.
        name: what one of them is.
        several: what several of them are; None: the name with an s.
    """
    return f"{number:,} {name if number == 1 else several or f'{name}s'}"
