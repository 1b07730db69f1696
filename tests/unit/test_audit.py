"""The verdict of scripts/audit: what was found, and that nothing is known where nothing could be asked."""

from pathlib import Path
from typing import Any

import pytest

from tests.unit.scripts import load_script

audit: Any = load_script("audit")

SOUND = {"name": "a", "version": "1", "vulns": []}
HOLED = {"name": "b", "version": "2", "vulns": [{"id": "PYSEC-1", "fix_versions": ["3"]}]}
LEFT_OUT = {"name": "c", "skip_reason": "not found"}


@pytest.mark.parametrize(
    ("pins", "code", "line"),
    [
        ([SOUND], 0, "audit: 1 pins looked up, 0 known vulnerabilities"),
        ([SOUND, HOLED], 1, "audit: b 2: PYSEC-1, fixed in 3"),
        ([HOLED, LEFT_OUT], 1, "audit: b 2: PYSEC-1, fixed in 3"),
        ([SOUND, LEFT_OUT], 3, "audit: NOT RUN for 1 packages, such as c (not found)"),
        ([], 3, "audit: NOT RUN: nothing was looked up"),
    ],
)
def test_success_means_that_each_pin_was_looked_up(pins: list[dict[str, Any]], code: int, line: str) -> None:
    verdict = audit.Verdict()

    verdict.add({"dependencies": pins})

    assert verdict.code() == code
    assert any(each.startswith(line) for each in verdict.lines()), verdict.lines()


def test_a_tool_that_fails_is_not_taken_for_success(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    tool = tmp_path / "pip-audit"
    tool.write_text("#!/bin/sh\necho no network >&2\nexit 1\n")
    tool.chmod(0o755)
    (tmp_path / "lock.txt").touch()

    assert audit.main(["--tool", str(tool), str(tmp_path / "lock.txt")]) == 3

    assert "NOT RUN for 1 packages, such as lock.txt (no network)" in capsys.readouterr().out
