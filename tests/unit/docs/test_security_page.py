"""docs/security.md: each claim names a test, and each named test is there."""

import re

import pytest

from tests.unit.docs.named_tests import NAMED, ROOT, is_there, named_tests

PAGE = (ROOT / "docs" / "security.md").read_text(encoding="utf-8")
CLAIMS = re.findall(r"^\| ([A-Z][^|]*\.) \| (.*) \|$", PAGE, re.MULTILINE)
ROWS = [line for line in PAGE.splitlines() if line.startswith("| ") and not line.startswith("| claim ")]


def test_each_row_is_a_claim_with_a_test() -> None:
    assert len(CLAIMS) == len(ROWS) > 20
    assert [claim for claim, tests in CLAIMS if not NAMED.search(tests)] == []


@pytest.mark.parametrize(("path", "name"), sorted(set(named_tests(PAGE))))
def test_a_named_test_is_there(path: str, name: str) -> None:
    assert is_there(path, name)


def test_a_test_that_is_not_there_is_noticed() -> None:
    assert not is_there("tests/integration/test_hardening.py", "test_nothing_of_the_kind")
