"""`anomaly alerts preview`; tests/conformance/test_alerts.py compares its messages with those of a kapacitord."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import anomaly
from anomaly.cli.main import main

PIPELINE: dict[str, Any] = {
    "name": "printer",
    "database": "db",
    "measurement": "temperature",
    "fields": [{"name": "hotend", "unit": "°C", "limits": [None, 300]}, "bed"],
    "group_by": ["printer"],
    "window": "10s",
}


@pytest.fixture
def preview(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Any:
    def preview(*arguments: str, **changes: Any) -> tuple[int, list[str], str]:
        (tmp_path / "spec.json").write_text(json.dumps([{**PIPELINE, **changes}]))
        code = main(["alerts", "preview", *arguments, "--spec", str(tmp_path / "spec.json")])
        captured = capsys.readouterr()
        return code, [line.strip() for line in captured.out.splitlines() if line.startswith(" ")], captured.err

    return preview


def test_every_kind_of_alert_is_shown(preview: Any) -> None:
    code, messages, _ = preview("printer")

    assert code == 0
    heads = [message.partition(" ")[0] for message in messages]
    opened = ["INFO", "WARNING", "CRITICAL", "OK", "CRITICAL"]
    noticed = [*["WARNING", "OK"] * 2, *["INFO", "OK"], *["WARNING", "OK"], *["INFO", "OK"], *["WARNING", "OK"]]
    assert heads == [*opened, "WARNING", "OK", *noticed]
    assert "hotend was 35 °C, above the expected 10 to 20 °C; bed was 35, above" in messages[0]
    assert "peak severity 87.5: once in 2.7 years" in messages[1]
    assert "because of hotend above 300, a limit" in messages[4]
    begun = "begun by pipeline=printer,printer=example0 because of hotend: 3 series of printer (3)"
    assert messages[5].startswith("WARNING incident since ")
    assert all(begun in message for message in messages[5:7])
    assert not any("https" in message for message in messages)


def test_only_the_kinds_of_the_pipeline_are_shown_and_with_the_link(preview: Any) -> None:
    alerts = {"kinds": ["silence"]}
    _, messages, _ = preview("--grafana-url", "https://g.example", alerts=alerts)

    assert len(messages) == 4
    assert all(" https://g.example/d/anomaly-" in message for message in messages)
    assert messages[0].endswith("&var-tag1=example")


def test_with_the_address_of_the_console_messages_lead_to_it(preview: Any) -> None:
    _, messages, _ = preview("--grafana-url", "https://g.example", "--console-url", "https://c.example")

    pages = [message.partition(" https://c.example/")[2].partition("?")[0] for message in messages]
    assert pages[:9] == ["period"] * 9
    assert "/period?pipeline=printer&series=printer%3Dexample0&begin=" in messages[5]
    # What is told of all series is told of no series.
    assert pages[9:11] == ["", ""]
    assert pages[11:] == ["series"] * 8
    assert not any("g.example" in message for message in messages)


def test_levels_that_begin_together_are_one(preview: Any) -> None:
    _, messages, _ = preview(alerts={"kinds": ["period"], "warning": 90, "critical": 90})

    assert [message.split()[0] for message in messages] == ["INFO", "CRITICAL", "OK", "CRITICAL", "CRITICAL", "OK"]


def test_a_pipeline_that_is_not_there_is_named(preview: Any) -> None:
    code, _, error = preview("prniter")

    assert code != 0
    assert "there is no pipeline 'prniter'" in error


def test_a_script_of_its_own_words_its_messages(preview: Any) -> None:
    code, _, error = preview("printer", tickscript="mine.tick")

    assert code != 0
    assert 'tickscript: "mine.tick" words the messages of printer' in error


def test_a_preview_loads_nothing_that_a_deployment_does_not_install() -> None:
    code = (
        "import sys, anomaly.cli.alerts; "
        "print(sorted({'google', 'kapacitor_udf', 'scipy', 'sklearn'} & set(sys.modules)))"
    )
    environment = {**os.environ, "PYTHONPATH": str(Path(anomaly.__file__).parents[1])}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment)
    assert done.stdout == "[]\n"
