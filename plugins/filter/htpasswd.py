"""Filter for password files of HTTP basic authentication."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable

DOCUMENTATION = """
name: htpasswd
short_description: Password files of HTTP basic authentication
"""


def htpasswd_sha(password: str) -> str:
    """Return the password in htpasswd's form ``{SHA}``.

    Chronograf reads several forms. This is the only one that needs neither another library nor a salt, so a second run
    writes an identical file. A form without salt protects only long random passwords; the file's mode protects it as
    well.

    >>> htpasswd_sha("secret")
    '{SHA}5en6G6MezRroT3XKqkdPOmY/BfQ='
    """
    digest = hashlib.sha1(password.encode(), usedforsecurity=False).digest()
    return "{SHA}" + base64.b64encode(digest).decode()


class FilterModule:
    """Register the filters with Ansible."""

    def filters(self) -> dict[str, Callable[..., str]]:
        """Return each filter's function by its name."""
        return {"htpasswd_sha": htpasswd_sha}
