"""docs/alerts.md: its message is the one that the code makes, and its command works."""

import re
import shlex
from pathlib import Path

import pytest

from anomaly.cli.alerts import message
from anomaly.cli.main import main
from anomaly.pipeline import normalize
from anomaly.pipeline.links import Addresses
from anomaly.scoring.periods import FieldMoment, Moment, Period
from anomaly.scoring.results import period_fields, series_tags
from anomaly.scoring.wording import MOST_CHARACTERS

ROOT = Path(__file__).parents[3]
PAGE = (ROOT / "docs" / "alerts.md").read_text(encoding="utf-8")
SECOND = 1_000_000_000
BEGIN = 1_704_067_220 * SECOND


def test_its_message_is_that_of_such_a_period() -> None:
    fields = [{"name": "hotend", "unit": "°C"}, {"name": "bed", "unit": "°C"}]
    known = {"name": "printer", "database": "db", "measurement": "m", "group_by": ["printer"], "window": "10s"}
    (pipeline,) = normalize([{**known, "fields": fields}])
    moment = Moment(
        BEGIN + 20 * SECOND,
        (FieldMoment("hotend", 231.42, 205.0, 210.0, 0.8), FieldMoment("bed", 50.0, 58.25, 62.0, 0.2)),
    )
    period = Period(BEGIN, BEGIN + 70 * SECOND, "open", 9.0, 90.0, 3, "hotend", moment=moment)
    tags = series_tags(pipeline, ("p1",))

    said = message(
        "period",
        "WARNING",
        tags,
        BEGIN,
        period_fields(pipeline, ("p1",), period),
        pipeline,
        Addresses(grafana="https://grafana.example/"),
    )

    assert f"```text\n{said}\n```" in PAGE


def test_its_command_previews_the_shipped_pipeline(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(ROOT)
    (command,) = re.findall(r"-m anomaly (alerts preview .*?)\n```", PAGE, re.DOTALL)

    assert main(shlex.split(command.replace("\\\n", " "))) == 0
    assert "WARNING pipeline=printer" in capsys.readouterr().out


def test_its_bound_of_a_sentence_is_the_codes() -> None:
    assert f"at most {MOST_CHARACTERS} characters" in PAGE
