"""scripts/mutation mutates modules that are there, each against tests that are there."""

from tests.unit.scripts import ROOT, load_script


def test_each_module_and_its_tests_are_there() -> None:
    mutation = load_script("mutation")

    modules = [ROOT / mutation.SOURCE / module for module in mutation.TESTS]
    tests = [test for module in mutation.TESTS for test in mutation.tests_of(ROOT, module)]

    assert [path for path in (*modules, *tests) if not path.is_file()] == []
