"""Hints at the name that people may have meant, for messages about a name that does not exist."""

import difflib
from collections.abc import Iterable


def hint(name: str, known: Iterable[str], otherwise: str, cutoff: float = 0.6) -> str:
    """Return a question about the known name that is close to a name.

    Args:
        name: the name that does not exist.
        known: the names that exist.
        otherwise: what to write where none of them is close.
        cutoff: how alike two names must be to be close, from 0 to 1.
    """
    close = difflib.get_close_matches(name, list(known), n=1, cutoff=cutoff)
    return f"did you mean {close[0]}?" if close else otherwise
