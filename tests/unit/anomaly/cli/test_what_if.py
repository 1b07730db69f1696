"""What the trials of the console are told on the way."""

import json

import pytest

from anomaly.cli.what_if import JsonLines


def test_a_warning_of_a_training_is_told_like_any_other_line(capsys: pytest.CaptureFixture[str]) -> None:
    JsonLines().note("cpu looks like a counter")

    told = capsys.readouterr()
    assert json.loads(told.out) == {"progress": "warning: cpu looks like a counter"}
    assert told.err == "warning: cpu looks like a counter\n"
