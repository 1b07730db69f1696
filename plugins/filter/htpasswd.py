"""A filter for password files of HTTP basic authentication."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable

DOCUMENTATION = """
name: htpasswd
short_description: Password files of HTTP basic authentication
"""


def htpasswd_sha(password: str) -> str:
    """The password in htpasswd's form ``{SHA}``.

    Of the forms that Chronograf reads it is the only one that needs neither another library nor a salt, so a second
    run writes the same file. Without a salt it protects a long random password and no other; the file's mode protects
    it as well.

    >>> htpasswd_sha("secret")
    '{SHA}5en6G6MezRroT3XKqkdPOmY/BfQ='
    """
    digest = hashlib.sha1(password.encode(), usedforsecurity=False).digest()
    return "{SHA}" + base64.b64encode(digest).decode()


class FilterModule:
    """Ansible's entry point."""

    def filters(self) -> dict[str, Callable[..., str]]:
        """Filter name -> function."""
        return {"htpasswd_sha": htpasswd_sha}
