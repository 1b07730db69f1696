from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from demo.errors import DemoError
from demo.stack import read_stack
from ingest.heatpump import HEAT_PUMPS

Write = Callable[[dict[str, Any]], Path]


def test_a_summary_is_read(summary: dict[str, Any], write_summary: Write, tmp_path: Path) -> None:
    stack = read_stack(write_summary(summary), "printer", tmp_path)
    assert stack.writer.password == "secret-of-writer"
    assert stack.pipeline.window_ms == 10_000
    assert stack.pipeline.open_severity == 70.0
    console, grafana, chronograf = stack.pages
    assert (console.url, console.login and console.login.username) == ("http://127.0.0.1:3080", "operator")
    assert (grafana.url, grafana.reason) == (None, "no image")
    assert (chronograf.url, chronograf.login) == ("http://127.0.0.1:8888", None)
    assert stack.folder == tmp_path


def test_a_console_that_is_switched_off_is_left_out(
    summary: dict[str, Any], write_summary: Write, tmp_path: Path
) -> None:
    summary["console"] |= {"urls": [], "reason": "console_enabled is false"}
    console = read_stack(write_summary(summary), "printer", tmp_path).pages[0]
    assert (console.url, console.login, console.reason) == (None, None, "console_enabled is false")


def test_a_missing_summary_says_who_writes_it(tmp_path: Path) -> None:
    with pytest.raises(DemoError, match=r"summary\.json: No such file.*playbooks/site\.yml"):
        read_stack(tmp_path / "summary.json", "printer", tmp_path)


@pytest.mark.parametrize("key", ["stack_name", "results_database", "influxdb", "kapacitor", "pipelines", "secrets_dir"])
def test_a_missing_key_is_named(summary: dict[str, Any], write_summary: Write, tmp_path: Path, key: str) -> None:
    del summary[key]
    with pytest.raises(DemoError, match=f"'{key}"):
        read_stack(write_summary(summary), "printer", tmp_path)


@pytest.mark.parametrize(
    ("changes", "part"),
    [
        ({"name": "other"}, "no pipeline 'printer', only other"),
        ({"enabled": False}, "is disabled"),
        ({"group_by": ["machine"]}, r"group_by is \['machine'\]"),
        ({"fields": ["bed"]}, r"fields is \['bed'\]"),
        ({"window": "ten"}, "window: 'ten' is not a duration"),
    ],
)
def test_a_pipeline_that_cannot_watch_the_printers_is_refused(
    summary: dict[str, Any], write_summary: Write, tmp_path: Path, changes: dict[str, Any], part: str
) -> None:
    summary["pipelines"][0] |= changes
    with pytest.raises(DemoError, match=part):
        read_stack(write_summary(summary), "printer", tmp_path)


def test_a_pipeline_of_printers_does_not_watch_heat_pumps(
    summary: dict[str, Any], write_summary: Write, tmp_path: Path
) -> None:
    with pytest.raises(DemoError, match=r"group_by is \['printer'\]. Fix: the demonstration needs \[heatpump\]"):
        read_stack(write_summary(summary), "printer", tmp_path, HEAT_PUMPS)
    heatpump = summary["pipelines"][0] | {"group_by": ["heatpump"], "fields": list(HEAT_PUMPS.fields)}
    summary["pipelines"] = [heatpump | {"name": "heatpump"}]
    assert read_stack(write_summary(summary), "heatpump", tmp_path, HEAT_PUMPS).pipeline.process is HEAT_PUMPS


def test_how_long_silence_and_lateness_are_is_known_where_the_summary_says_it(
    summary: dict[str, Any], write_summary: Write, tmp_path: Path
) -> None:
    pipeline = read_stack(write_summary(summary), "printer", tmp_path).pipeline
    assert (pipeline.silence_ms, pipeline.lateness_ms) == (None, None)
    summary["pipelines"][0] |= {"periods": {"silence": "1w"}, "lateness": "10s"}
    pipeline = read_stack(write_summary(summary), "printer", tmp_path).pipeline
    assert (pipeline.silence_ms, pipeline.lateness_ms) == (604_800_000, 10_000)


def test_fields_may_say_more_than_their_names(summary: dict[str, Any], write_summary: Write, tmp_path: Path) -> None:
    summary["pipelines"][0]["fields"] = [{"name": "hotend", "unit": "°C"}, "bed", "air"]
    assert read_stack(write_summary(summary), "printer", tmp_path).pipeline.name == "printer"


def test_a_password_that_is_in_no_file_is_explained(
    summary: dict[str, Any], write_summary: Write, tmp_path: Path
) -> None:
    summary["influxdb"]["admin"]["password_file"] = None
    stack = read_stack(write_summary(summary), "printer", tmp_path)
    with pytest.raises(DemoError, match="secrets_given"):
        _ = stack.admin.password


def test_a_password_file_that_is_gone_is_named(summary: dict[str, Any], write_summary: Write, tmp_path: Path) -> None:
    (tmp_path / "secrets" / "writer").unlink()
    stack = read_stack(write_summary(summary), "printer", tmp_path)
    with pytest.raises(DemoError, match=r"secrets/writer: No such file"):
        _ = stack.writer.password
