"""Which page of a report the demonstration names at its end."""

import os
from pathlib import Path

import pytest

from demo.errors import DemoError
from demo.run import newest_report


def test_the_page_that_was_written_last_is_named(tmp_path: Path) -> None:
    for age, name in enumerate(("report-kap2.html", "report-kap1.html", "demo.html")):
        (tmp_path / name).write_text("")
        os.utime(tmp_path / name, (1_000_000 - age, 1_000_000 - age))

    assert newest_report(tmp_path).name == "report-kap2.html"


def test_a_playbook_that_wrote_no_page_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(DemoError, match=r"report\.yml wrote no page into .*demo-report\.log"):
        newest_report(tmp_path)
