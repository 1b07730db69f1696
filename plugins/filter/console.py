"""Filters of the role console: what verify.yml makes of the console's answers."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

DOCUMENTATION = """
name: console
short_description: What a console answers, as findings
"""

_TOKEN = re.compile(r'name="csrf"\s+value="([^"]+)"')
_OK, _REFUSED = 200, 401


def console_token(page: str) -> str:
    """Return the token that a page's form sends along; empty where the page has none."""
    match = _TOKEN.search(page)
    return match[1] if match else ""


def console_findings(answers: Iterable[Mapping[str, Any]], first_page: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return a finding about who is let in, and one about the pages.

    Args:
        answers: of the API, with who asked as `item`: somebody without a `username`, and each user.
        first_page: the answer of the first page to a user who has logged in.
    """
    wrong = [
        f"{answer['item']['who']}: {_said(answer)}"
        for answer in answers
        if answer.get("status", -1) != (_OK if "username" in answer["item"] else _REFUSED)
    ]
    return [
        {
            "what": "The console refuses requests without credentials, and lets in its users",
            "ok": not wrong,
            "problem": f"{'; '.join(wrong)}. Fix: see its log",
        },
        {
            "what": "The console has pages for who has logged in",
            "ok": first_page.get("status", -1) == _OK,
            "problem": f"the first page answers {_said(first_page)}. Fix: see its log",
        },
    ]


def _said(answer: Mapping[str, Any]) -> str:
    status = answer.get("status", -1)
    return f"HTTP {status}" if status != -1 else str(answer.get("msg", "nothing"))


class FilterModule:
    """Register the filters with Ansible."""

    def filters(self) -> dict[str, Any]:
        """Return each filter's function by its name."""
        return {"console_findings": console_findings, "console_token": console_token}
