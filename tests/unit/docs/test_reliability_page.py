"""docs/reliability.md: each test that it names is there, and each check has a row."""

import re
from pathlib import Path

from anomaly.keeper import checks

ROOT = Path(__file__).parents[3]
PAGE = (ROOT / "docs" / "reliability.md").read_text(encoding="utf-8")


def test_each_test_that_is_named_is_there() -> None:
    named = set(re.findall(r"`(test_\w+)`", PAGE))
    files = [*(ROOT / "tests").rglob("test_*.py"), *(ROOT / "udf").rglob("tests/**/test_*.py")]
    there = {name for file in files for name in re.findall(r"def (test_\w+)", file.read_text(encoding="utf-8"))}
    assert len(named) > 20
    assert named - there == set()


def test_each_check_has_a_row() -> None:
    names = (checks.INFLUXDB, checks.KAPACITOR, checks.TASK, checks.UDF, checks.FED, checks.SCORES, checks.MODEL)
    rows = re.findall(r"^\| `(\w+)` \| ", PAGE, re.MULTILINE)
    warnings = (checks.MODEL_FILE, checks.STATE, checks.DISK, checks.CLOCK, checks.CERTIFICATE, checks.BACKUP)
    assert rows == [*names, *warnings]
