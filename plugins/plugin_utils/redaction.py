"""Takes secrets out of texts that leave the house: by their values in every usual form, and by what surrounds them.

The values are those that the stack knows. What surrounds a secret, such as `password = "..."`, or a name and a password
in a URL, gives away others, such as the tokens of subscriptions, which Kapacitor makes by itself.
"""

from __future__ import annotations

import base64
import html
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any
from urllib.parse import quote, quote_plus

REDACTED = "<redacted>"
SHORTEST = 6
"""A shorter value is not looked for, as it would be found in words and numbers that are no secrets."""

_KEYS = (
    r"[\w.-]*(?:passw(?:or)?d|passphrase|secret|token|api[_-]?key|routing[_-]?key|private[_-]?key|credential)[\w.-]*"
)
_SURROUNDED = (
    # password = "x", "password": "x", password: x, PASSWORD=x. The path of a file is left.
    re.compile(rf"""(?i)(\b{_KEYS}["']?\s*[:=]\s*)("(?:[^"\\]|\\.)*"|'[^']*'|[^\s,;}}\]"']+)"""),
    re.compile(rf"(?i)(--{_KEYS}[ =])()(?!/)\S+"),
    re.compile(r"(?i)(authorization[\"']?\s*[:=]\s*[\"']?(?:basic|bearer|token)\s+)()[\w.~+/=-]+"),
    re.compile(r"(-----BEGIN [A-Z ]*PRIVATE KEY-----)()[\s\S]*?(?=-----END |\Z)"),
    re.compile(r"(://[^\s/:@\"']*:)()[^\s/@\"']+(?=@)"),
)
_SENSITIVE = re.compile(r"(?i)passw|passphrase|secret|token|key|credential|auth|url|webhook|header|env")


def forms(value: str) -> list[str]:
    """Return the texts by which a secret may be in a file: itself, as in URLs, JSON, HTML, hexadecimal, base64.

    Base64 of a longer text, such as `user:password`, has the secret in it at one of three offsets to its groups of
    three bytes. For each offset the characters that depend on the secret alone are returned.
    """
    raw = value.encode()
    written = [
        value, quote(value, safe=""), quote(value), quote_plus(value), json.dumps(value)[1:-1],
        json.dumps(value, ensure_ascii=False)[1:-1], html.escape(value), value.replace("$", "$$"), raw.hex(),
        raw.hex().upper(),
    ]  # fmt: skip
    for offset in range(3):
        encoded = base64.b64encode(b"\0" * offset + raw).decode().rstrip("=")
        begin = (0, 2, 3)[offset]
        spare = (offset + len(raw)) % 3
        core = encoded[begin : len(encoded) - 1] if spare else encoded[begin:]
        written += [core, core.replace("+", "-").replace("/", "_"), quote(core, safe="")]
    # Longest first, so that no part of a longer form stays behind.
    return sorted({form for form in written if len(form) >= SHORTEST}, key=len, reverse=True)


def sensitive_values(value: Any, is_secret: bool = False) -> Iterator[str]:
    """Yield the texts inside of lists and mappings whose keys say that they may be secrets.

    Args:
        value: a variable of the inventory, such as the handlers of alerts.
        is_secret: whether the value itself is one.
    """
    if isinstance(value, Mapping):
        for key, entry in value.items():
            yield from sensitive_values(entry, is_secret or bool(_SENSITIVE.search(str(key))))
    elif isinstance(value, (list, tuple)):
        for entry in value:
            yield from sensitive_values(entry, is_secret)
    elif is_secret and isinstance(value, str) and len(value) >= SHORTEST:
        yield value


class Redactor:
    """Takes known secrets, and what looks like others, out of texts.

    Args:
        secrets: the values of the known ones.
    """

    def __init__(self, secrets: Iterable[str]) -> None:
        values = {secret for secret in secrets if len(secret) >= SHORTEST}
        self._forms = sorted({form for value in values for form in forms(value)}, key=len, reverse=True)
        self._known = re.compile("|".join(map(re.escape, self._forms))) if self._forms else None

    def redact(self, text: str) -> str:
        """Return a text without secrets."""
        for pattern in _SURROUNDED:
            text = pattern.sub(_hide, text)
        return self._known.sub(REDACTED, text) if self._known else text

    def leaks(self, content: bytes) -> bool:
        """Return whether a known secret is in a content, in any of its forms."""
        return any(form.encode() in content for form in self._forms)


def _hide(match: re.Match[str]) -> str:
    value = match[2]
    if value.strip("\"'").startswith("/") or value in ('""', "''", "null", "true", "false", "{", "["):
        return match[0]
    quotes = value[0] if value[:1] in ("'", '"') else ""
    return f"{match[1]}{quotes}{REDACTED}{quotes}"
