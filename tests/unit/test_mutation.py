"""scripts/mutation mutates modules that are there, each against tests that are there."""

import pytest

from tests.unit.scripts import ROOT, load_script


def test_each_module_and_its_tests_are_there() -> None:
    mutation = load_script("mutation")

    modules = [ROOT / mutation.SOURCE / module for module in mutation.TESTS]
    tests = [test for module in mutation.TESTS for test in mutation.tests_of(ROOT, module)]

    assert [path for path in (*modules, *tests) if not path.is_file()] == []


@pytest.mark.parametrize(
    ("line", "place", "says_something"),
    [
        ("@dataclass(frozen=True, slots=True)", "True", False),
        ("    if TYPE_CHECKING:", "if", False),
        ("    return dict(zip(names, row[1:], strict=True))", "True", False),
        ("    return dict(zip(names, row[1:], strict=True))", "1", True),
        ("    return True", "True", True),
    ],
)
def test_changes_that_no_test_can_notice_are_no_mutants(line: str, place: str, says_something: bool) -> None:
    assert load_script("mutation").says_something(line, line.index(place)) is says_something
