"""Messages name what somebody in front of a page can do, and no option or command of a command line."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

import anomaly
from anomaly.console.advice import for_pages

PACKAGE = Path(anomaly.__file__).parent
# Whose messages may reach a page.
ROOMS = ("console", "influxdb", "models", "pipeline", "report", "scoring", "training", "windows")
# Options, and commands in backticks or in parentheses.
COMMAND_LINE = re.compile(r"(?<![\w-])--[a-z][a-z-]*|[`(]anomaly [a-z]+")
# What runs the process of a trial, and the document of the API, which nobody is told.
NO_MESSAGES = ("--pipeline", "A report of a backtest")


def messages() -> Iterator[tuple[str, str]]:
    """Yield each text of the rooms that names an option or a command, and where it is; a value in it is `{}`."""
    for room in ROOMS:
        for path in sorted((PACKAGE / room).rglob("*.py")):
            tree = ast.parse(path.read_text(encoding="utf-8"))
            documents = {id(each.value) for each in ast.walk(tree) if isinstance(each, ast.Expr)}
            parts = {id(part) for each in ast.walk(tree) if isinstance(each, ast.JoinedStr) for part in each.values}
            for node in ast.walk(tree):
                text = written(node)
                if text is None or id(node) in documents | parts or text.startswith(NO_MESSAGES):
                    continue
                if COMMAND_LINE.search(text) and path.name != "advice.py":
                    yield f"{path.relative_to(PACKAGE)}:{node.lineno}", text  # type: ignore[attr-defined]


def written(node: ast.AST) -> str | None:
    """Return the text of a string with `{}` for each value in it; None for anything else."""
    if isinstance(node, ast.Constant):
        return node.value if isinstance(node.value, str) else None
    if isinstance(node, ast.JoinedStr):
        return "".join(written(each) or "{}" for each in node.values)
    return None


@pytest.mark.parametrize(("where", "text"), [pytest.param(where, text, id=where) for where, text in messages()])
def test_a_message_that_may_reach_a_page_names_no_command_line(where: str, text: str) -> None:
    assert COMMAND_LINE.search(for_pages(text)) is None, f"{where}: {text!r} needs an entry in anomaly.console.advice"


def test_messages_of_several_rooms_are_looked_at() -> None:
    assert {where.partition("/")[0] for where, _ in messages()} >= {"influxdb", "models", "report", "training"}


CHANGED = {
    "http://i:8086 is not reachable (Connection refused): check --influxdb-url, and that it is running": (
        "http://i:8086 is not reachable (Connection refused): `site.yml` starts it, and `make logs SERVICE=influxdb` "
        "says what is wrong with it"
    ),
    "'v1' is not a version of printer: `anomaly models list` shows what there is": (
        "'v1' is not a version of printer: the page Models shows what there is"
    ),
    "to 2026: choose a range with --from and --to in which": "to 2026: choose a range in which",
    "choose an earlier --from or a later --to": "choose an earlier from or a later to",
    "fields: 'x' is not a field": "fields: 'x' is not a field",
}


@pytest.mark.parametrize("message", CHANGED)
def test_a_message_says_what_a_page_can_do(message: str) -> None:
    assert for_pages(message) == CHANGED[message]
