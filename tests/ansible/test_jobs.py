"""The role job: what it runs for which pipelines, and what it makes of what that printed."""

from __future__ import annotations

import json
from typing import Any

import pytest
from ansible_collections.influx_anomaly.stack.plugins.filter.jobs import FilterModule, outcomes

from tests.ansible.inventories import PIPELINE
from tests.ansible.rendering import value

LOG = "/srv/s/log/train.log on here"
REPORT = "Container s-train (image i) did not finish its job."
TABLE = "printer: 3 of 3 labels found\n\nseverity  found\n"


def line(status: str, pipeline: str | None, **more: Any) -> str:
    return json.dumps({"status": status, "pipeline": pipeline, "message": "", **more})


def test_each_pipeline_has_what_was_printed_of_it() -> None:
    lines = [line("trained", "b", version="v2"), line("unchanged", "a", version="v1")]
    found = outcomes("\n".join(lines), ["a", "b"], LOG)
    assert {name: json.loads(output)["version"] for name, output in found["outputs"].items()} == {"a": "v1", "b": "v2"}
    assert found["failures"] == []


def test_a_pipeline_by_itself_has_all_that_was_printed() -> None:
    assert outcomes(TABLE, ["printer"], LOG) == {"outputs": {"printer": TABLE}, "failures": []}


def test_one_that_failed_keeps_no_other_from_its_result() -> None:
    stdout = "\n".join(
        [
            line("refused", "a", message="no data", **{"from": "T1", "to": "T2"}),
            line("trained", "b"),
            line("failed", "c", message="no database"),
        ]
    )
    found = outcomes(stdout, ["a", "b", "c"], LOG, REPORT)
    assert list(found["outputs"]) == ["b"]
    assert found["failures"] == [
        f"a, refused (history from T1 to T2): no data. The whole log: {LOG}",
        f"c, failed (before history was read): no database. The whole log: {LOG}",
    ]


def test_what_was_done_before_the_container_ended_is_done() -> None:
    """When its time was over, or its memory."""
    found = outcomes(line("trained", "a"), ["a", "b"], LOG, REPORT)
    assert list(found["outputs"]) == ["a"]
    assert found["failures"] == [f"b: {REPORT}"]


@pytest.mark.parametrize("pipelines", [["a"], ["a", "b"]])
def test_what_is_wrong_with_no_pipeline_keeps_all_from_it(pipelines: list[str]) -> None:
    found = outcomes(line("failed", None, message="--seed: -1 is out of range"), pipelines, LOG, REPORT)
    assert found["outputs"] == {}
    assert [failure.partition(",")[0] for failure in found["failures"]] == pipelines
    assert all("--seed: -1 is out of range" in failure for failure in found["failures"])


@pytest.mark.parametrize("stdout", ["", "Killed", "3", '["status"]', '{"pipeline": "a"}'])
def test_without_a_result_the_report_says_why(stdout: str) -> None:
    assert outcomes(stdout, ["a"], LOG, REPORT) == {"outputs": {}, "failures": [f"a: {REPORT}"]}


def test_a_pipeline_that_was_forgotten_is_a_failure() -> None:
    found = outcomes(line("trained", "a"), ["a", "b"], LOG)
    assert found["failures"] == [f"b: it printed no result. The whole log: {LOG}"]


def test_the_filter_is_offered() -> None:
    assert FilterModule().filters() == {"job_outcomes": outcomes}


def job(name: str, **more: Any) -> Any:
    pipelines = [{**PIPELINE, "name": pipeline} for pipeline in ("a", "b")]
    return value(name, "job", job_name="train", pipelines=pipelines, stack_influxdb_url="http://i:8086", **more)


def test_several_pipelines_have_one_container() -> None:
    together = {"job_together": True, "__job_names": ["a", "b"], "job_arguments": ["--seed", "0"]}
    assert job("__job_title", **together) == "train"
    assert job("__job_log", **together).endswith("/log/train.log")
    assert job("__job_command", **together) == [
        *("train", "--spec", "/run/job/pipelines.json", "--pipeline", "a", "--pipeline", "b"),
        *("--influxdb-url", "http://i:8086", "--username", "trainer", "--password-file", "/run/job/password"),
        *("--seed", "0"),
    ]


def test_a_pipeline_by_itself_has_a_container_and_a_page_of_its_own() -> None:
    alone = {"__job_names": ["a"], "job_reports": "/reports"}
    assert job("__job_title", **alone) == "train-a"
    assert job("__job_command", **alone)[3:5] == ["--pipeline", "a"]
    assert job("__job_command", **alone)[-2:] == ["--report", "/run/reports/a.html"]


def test_pipelines_together_have_one_page_with_the_name_of_the_job() -> None:
    together = {
        "job_together": True,
        "__job_names": ["a", "b"],
        "job_reports": "/reports",
        "job_arguments": ["--to", "0s"],
    }
    assert job("__job_command", **together)[-4:] == ["--report", "/run/reports/train.html", "--to", "0s"]
    assert "/reports:/run/reports:rw" in job("__job_volumes", **together)


@pytest.mark.parametrize(("hosts", "name"), [(["here"], "report"), (["here", "there"], "report-here")])
def test_each_host_has_a_page_of_its_own(hosts: list[str], name: str) -> None:
    assert value("__report_name", "report", groups={"kapacitor": hosts}, inventory_hostname="here") == name


def test_a_catch_up_names_the_pipelines_whose_models_another_release_made() -> None:
    outputs = {name: f"a line\n{line('unchanged', name, outdated=name != 'b')}" for name in "abc"}
    assert value("__catch_up_outdated", "catch_up", job_outputs=outputs) == ["a", "c"]


def test_only_these_are_trained_after_an_upgrade() -> None:
    common = {"results_database": "anomaly"}
    assert "--if-outdated" in value("__train_arguments", "train", train_if_outdated=True, **common)
    assert "--if-outdated" not in value("__train_arguments", "train", **common)
