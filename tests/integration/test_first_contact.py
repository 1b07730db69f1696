"""A machine that has nothing yet: a dry run, a deployment, and what further runs find to do."""

from __future__ import annotations

import json
import re

import pytest

from tests.integration.conftest import Deployment
from tests.integration.playbook import PlayResult
from tests.integration.stack import Stack
from tests.integration.waiting import wait_for


def test_dry_run_on_nothing_creates_nothing(deployment: Deployment) -> None:
    deployment.dry_run.succeeded()
    assert deployment.files_after_dry_run == deployment.files_before
    assert deployment.engine_after_dry_run == {"containers": [], "networks": [], "volumes": [], "images": []}


def test_dry_run_on_nothing_says_what_it_would_do(deployment: Deployment) -> None:
    assert deployment.dry_run.changed > 0
    assert "+++ " in deployment.dry_run.output, "--diff shows the content of files that would be made"


def test_deploys(deployment: Deployment) -> None:
    deployment.site.succeeded()
    assert deployment.site.changed > 0


def test_every_wanted_service_runs_and_is_healthy(stack: Stack) -> None:
    for service in ("influxdb", "kapacitor", "keeper", "console"):
        assert stack.container(service).attrs["State"]["Running"], service
        wait_for(
            lambda service=service: stack.container(service).attrs["State"]["Health"]["Status"] == "healthy",  # type: ignore[misc]
            f"a healthy {service}",
            explain=stack.logs,
        )


@pytest.fixture(scope="module")
def second_dry_run(stack: Stack) -> PlayResult:
    return stack.play("site", "--check", "--diff")


def test_dry_run_after_deployment_finds_nothing_to_do(second_dry_run: PlayResult) -> None:
    second_dry_run.unchanged()


def test_second_run_changes_nothing(stack: Stack, second_dry_run: PlayResult) -> None:
    before = stack.settled().incarnations(), stack.settled_files()
    stack.play("site").unchanged()
    assert (stack.incarnations(), stack.settled_files()) == before


def test_summary_tells_addresses_and_where_the_credentials_are(deployment: Deployment, stack: Stack) -> None:
    text = deployment.site.text
    for service in ("influxdb", "kapacitor", "console"):
        assert f"127.0.0.1:{stack.ports[service]}" in text, service
    assert str(stack.secrets_dir) in text


def test_summary_tells_which_services_are_not_there_and_why(deployment: Deployment, stack: Stack) -> None:
    """Grafana and Chronograf cannot be built; where they cannot be pulled either, the rest goes on without them."""
    text = deployment.site.text
    for service in ("grafana", "chronograf"):
        if service not in stack.containers():
            assert re.search(rf"{service}.{{0,200}}(not|skip|without)", text, re.IGNORECASE), deployment.site.tail()


def test_a_person_in_the_keepers_container_needs_no_options(deployment: Deployment, stack: Stack) -> None:
    """What `make status` runs."""
    summary = json.loads((stack.records / "summary.json").read_text())
    (reached,) = summary["hosts"].values()
    assert reached["reach"] == []
    assert {"influxdb", "kapacitor", "keeper", "console"} <= set(reached["services"])
    code, said = stack.container("keeper").exec_run(["anomaly", "status"])
    assert isinstance(said, bytes)
    assert code == 0, said
    for pipeline in stack.pipelines:
        assert re.search(rf"^{pipeline['name']} +\d+ ", said.decode(), re.MULTILINE), said


def test_verify_passes_and_changes_nothing_that_stays(stack: Stack) -> None:
    before = stack.settled().incarnations()
    verified = stack.play("verify").succeeded()
    assert f"(topics: {stack.name}: influx-anomaly.file)" in verified.text
    assert stack.incarnations() == before


@pytest.mark.parametrize("playbook", ["images", "train", "calendars", "verify", "teardown"])
def test_every_playbook_has_a_dry_run(stack: Stack, playbook: str) -> None:
    before = stack.on_engine(), stack.incarnations(), stack.settled_files()
    stack.play(playbook, "--check", "--diff").succeeded()
    assert (stack.on_engine(), stack.incarnations(), stack.settled_files()) == before


@pytest.fixture(scope="module")
def chosen(stack: Stack) -> PlayResult:
    """One service on one host."""
    return stack.settled().play("site", "--limit", "localhost", "--tags", "influxdb")


def test_one_service_can_be_deployed_by_its_tag(chosen: PlayResult) -> None:
    result = chosen.unchanged()
    tasks = [
        task for task, status, _ in result.outcomes() if status != "skipping" and "Validating arguments" not in task
    ]
    assert any(task.startswith("influxdb :") for task in tasks)
    assert not any(task.startswith("kapacitor :") for task in tasks), "the tag brought another role along"


def test_a_host_can_be_chosen_by_limit(chosen: PlayResult) -> None:
    assert set(chosen.unchanged().recap) == {"localhost"}
