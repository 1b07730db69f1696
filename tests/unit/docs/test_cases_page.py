"""docs/cases.md: each test that a case names is there."""

import re

import pytest

from tests.unit.docs.named_tests import NAMED, ROOT, is_there, named_tests

PAGE = (ROOT / "docs" / "cases.md").read_text(encoding="utf-8")
ROWS = re.findall(r"^\| ([A-Z]\d+|) ?\|(.*)\|$", PAGE, re.MULTILINE)


def test_each_case_names_a_test() -> None:
    assert ROWS
    assert [(case, row) for case, row in ROWS if not NAMED.search(row)] == []


@pytest.mark.parametrize(("path", "name"), named_tests(PAGE))
def test_a_named_test_is_there(path: str, name: str) -> None:
    assert is_there(path, name)
