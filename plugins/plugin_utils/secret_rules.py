"""Rules for secrets: which values are not fit for use. The role secrets and preflight both apply them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

SHORTEST = 8
# bcrypt, by which InfluxDB and Kapacitor hash passwords, reads only this many bytes.
LONGEST = 72

# Passwords that products ship with, documentation shows and people type in a hurry, alone, in a row or with digits
# behind. They are compared without case and punctuation.
WELL_KNOWN = re.compile(
    r"(admin|administrator|root|user|username|pass|passw|passwd|password|secret|secretkey|token|changeme|changethis"
    r"|changeit|replace|replaceme|default|dummy|empty|example|sample|foo|bar|foobar|guest|hunter|influx|influxdb|kapacitor"
    r"|grafana|chronograf|anomaly|test|testing|temp|letmein|welcome|qwerty|qwertyuiop|todo|fixme|placeholder|none|null"
    r"|undefined|nopassword|my|your|some|insert|here|super|top|string)+[0-9]*"
)
PLACEHOLDER = re.compile(r"\s*(<.*>|\[.*\]|\{.*\}|\$\{?\w+\}?|%\w+%)\s*", re.DOTALL)


def secrets_problems(values: Mapping[str, Any], names: Iterable[str], where: str, partial: bool = False) -> list[str]:
    """Return the problems of a stack's secrets, one sentence each, without the secrets' values.

    Args:
        values: values by name.
        names: names of a stack's secrets.
        where: folder of the secrets' files, for the fix.
        partial: whether secrets may be missing.
    """
    names = list(names)
    problems = [
        f"{name} is not a secret of a stack. Fix: use one of {', '.join(names)}" for name in values if name not in names
    ]
    for name in names:
        if partial and name not in values:
            continue
        fault = _fault(name, values.get(name))
        if fault:
            problems.append(
                f"{name} {fault}. Fix: give another in secrets_given, or remove {where}/{name} "
                "before the first deployment to have one generated"
            )
    return problems


def _fault(name: str, value: Any) -> str:
    """Return the fault of one secret, or an empty string."""
    if not isinstance(value, str):
        return "is not a string (put it in quotes)"
    if not value.strip():
        return "is empty"
    if PLACEHOLDER.fullmatch(value):
        return "is a placeholder"
    letters = re.sub(r"[\W_]", "", value).lower()
    if WELL_KNOWN.fullmatch(letters) or value.isdigit() or letters == name.replace("_", ""):
        return "is a default or a well-known password"
    if len(set(value)) <= 2:  # xxxxxxxx
        return "is a placeholder"
    if any(character.isspace() or not character.isprintable() for character in value):
        return "has white space or control characters in it"
    if len(value) < SHORTEST:
        return f"has {len(value)} characters, which is fewer than {SHORTEST}"
    if len(value.encode()) > LONGEST:
        return f"has {len(value.encode())} bytes, which is more than {LONGEST}"
    return ""
