"""tests/conformance/README.md: each test that it names is there, and one that runs a kapacitord is marked so."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[3]
PAGE = (ROOT / "tests" / "conformance" / "README.md").read_text(encoding="utf-8")


def names(files: list[Path]) -> set[str]:
    return {name for file in files for name in re.findall(r"def (test_\w+)", file.read_text(encoding="utf-8"))}


def test_each_test_that_is_named_is_there_and_marked_if_it_runs_a_kapacitord() -> None:
    conformance = names(list((ROOT / "tests" / "conformance").glob("test_*.py")))
    others = names([*(ROOT / "tests" / "unit").rglob("test_*.py"), *(ROOT / "udf").rglob("tests/**/test_*.py")])
    rows = re.findall(r"^\| .*`test_.* \|$", PAGE, re.MULTILINE)
    assert len(rows) > 20
    for row in rows:
        without, _, with_kapacitord = row.rpartition(" | ")[2].partition("K: ")
        for name in re.findall(r"`(test_\w+)`", without):
            assert name in others | conformance, name
        for part in with_kapacitord.split(";")[:1]:
            assert set(re.findall(r"`(test_\w+)`", part)) <= conformance, row


def test_each_case_has_a_row() -> None:
    cases = re.findall(r"^\| ([RD]\d+): ", PAGE, re.MULTILINE)
    assert cases == [*(f"R{number}" for number in range(1, 21)), *(f"D{n}" for n in (1, 2, 3, 7, 10, 11, 20, 23))]
