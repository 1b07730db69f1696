"""What nobody asked for: the keeper heals and trains. And the way back: a refused training among others, a rollback.

The tests of this module tell one story, so they depend on their order. At the end the stack is as it was.
"""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
import requests

from tests.integration.data import STREAM_END, ns, write_printers
from tests.integration.playbook import PlayResult
from tests.integration.results import model_files, read
from tests.integration.stack import Files, Stack
from tests.integration.waiting import PATIENCE_S, wait_for

# There must be a history, and models of the other pipelines.
pytestmark = pytest.mark.usefixtures("results")

MINUTES = 2
WINDOW = timedelta(seconds=10)
YEARS_AGO = {"from": "2001-01-01T00:00:00Z", "to": "2001-01-02T00:00:00Z"}


@pytest.fixture(scope="module")
def others(stack: Stack) -> Files:
    """The models of the other pipelines, before the story begins."""
    return _others(stack)


@pytest.fixture(scope="module")
def addition(stack: Stack, others: Files) -> Iterator[PlayResult]:
    """A deployment with one more pipeline, whose models the keeper is to look after; it is gone again at the end."""
    pipeline = stack.pipelines[0] | {"name": "untrained"}
    stack.pipelines.append(pipeline)
    try:
        yield stack.play("site")
    finally:
        stack.pipelines.remove(pipeline)
        stack.play("site").succeeded()


@pytest.fixture(scope="module")
def versions() -> list[str]:
    """The versions of its model that were current, one after the other."""
    return []


def test_a_model_that_is_not_there_yet_is_no_error(stack: Stack, addition: PlayResult) -> None:
    addition.succeeded()
    wait_for(lambda: stack.kapacitor().tasks()["untrained"]["executing"], "its task", explain=stack.logs)


@pytest.mark.usefixtures("addition")
def test_the_keeper_trains_a_pipeline_that_has_no_model(stack: Stack, versions: list[str], others: Files) -> None:
    versions.append(wait_for(lambda: _current(stack), "a model", explain=stack.logs))
    # Before there were data, the keeper tried to train the others, too.
    said = stack.container("keeper").logs().decode().rpartition("keeper of printer, rooms, untrained\n")[2]
    assert "training untrained: it has no model" in said
    assert "training printer" not in said, "it has one"
    assert _others(stack) == others
    assert _models_of_new_scores(stack, versions, 0) == {versions[0]}


@pytest.mark.usefixtures("addition")
def test_a_refused_training_keeps_no_other_pipeline_from_its_own(
    stack: Stack, versions: list[str], others: Files
) -> None:
    before = stack.settled().incarnations()
    stack.pipelines.append(stack.pipelines[0] | {"name": "nothing", "training": YEARS_AGO})
    try:
        result = stack.play("train", train_pipelines=["nothing", "untrained"])
    finally:
        stack.pipelines.pop()
    result.refused("nothing, refused", "2001-01-01", "no data", "choose a range")
    versions.append(_current(stack))
    assert f"untrained: trained; model {versions[1]}" in result.text
    assert versions[1] != versions[0]
    assert _others(stack) == others
    assert stack.incarnations() == before
    assert _models_of_new_scores(stack, versions, 1) == {versions[1]}


@pytest.mark.usefixtures("addition")
def test_a_rollback_takes_running_udfs_back(stack: Stack, versions: list[str]) -> None:
    """By the command of docs/models.md."""
    # Not by the SDK: its `remove` leaves the volume behind that the image declares.
    output = subprocess.run(
        [
            *("docker", "run", "--rm", "--user", "1500:1500", "--network", "none"),
            *("-v", f"{stack.dir}/data/models:/var/lib/anomaly/models", stack.image("kapacitor-python")),
            *("anomaly", "models", "rollback", "--pipeline", "untrained"),
        ],
        check=True,
        stdout=subprocess.PIPE,
    ).stdout
    assert json.loads(output) == {"pipeline": "untrained", "status": "rolled back", "version": versions[0]}
    versions.append(versions[0])
    assert _models_of_new_scores(stack, versions, 2) == {versions[0]}


@pytest.mark.usefixtures("addition")
def test_a_viewer_of_the_console_changes_nothing(stack: Stack, versions: list[str]) -> None:
    for path in ("models/promote", "models/rollback", "models/shadow", "feedback"):
        refused = _ask_console(stack, "viewer", path, {"pipeline": "untrained", "version": versions[1]})
        assert (refused.status_code, _current(stack)) == (403, versions[0]), (path, refused.text)


@pytest.mark.usefixtures("addition")
def test_an_operator_of_the_console_promotes_and_rolls_back(stack: Stack, versions: list[str]) -> None:
    wanted = {"pipeline": "untrained", "version": versions[1], "current": versions[0]}
    promoted = _ask_console(stack, "operator", "models/promote", wanted)
    assert (promoted.status_code, _current(stack)) == (200, versions[1]), promoted.text
    back = _ask_console(stack, "operator", "models/rollback", {"pipeline": "untrained", "current": versions[1]})
    assert (back.status_code, _current(stack)) == (200, versions[0]), back.text


@pytest.mark.usefixtures("addition")
def test_a_udf_that_dies_is_started_again_by_the_keeper(stack: Stack, versions: list[str]) -> None:
    """Kapacitor leaves it dead, and calls its task executing until the next point comes."""
    tasks = set(stack.settled().kapacitor().tasks())
    wait_for(lambda: len(_udfs(stack)) == len(tasks), "a UDF of each task", explain=stack.logs)
    dead, before = _udfs(stack), _notices(stack)

    stack.container("kapacitor").exec_run(["sh", "-c", f"kill -KILL {' '.join(dead)}"])

    wait_for(
        lambda: len(_udfs(stack) - dead) == len(tasks) and not dead & _udfs(stack), "new UDFs", seconds=900,
        explain=stack.logs,
    )  # fmt: skip
    wait_for(lambda: len(_notices(stack)) > len(before), "the model in the new UDF", explain=stack.logs)
    stack.settled()
    said = stack.container("keeper").logs().decode()
    for task in tasks:
        assert re.search(rf"^{task}: .*; its task is started again$", said, re.MULTILINE), said
    versions.append(versions[-1])
    assert _models_of_new_scores(stack, versions, 3) == {versions[-1]}


def _ask_console(stack: Stack, user: str, path: str, wanted: dict[str, str]) -> requests.Response:
    """Ask the console's API as one of its users."""
    login = user, stack.secrets()[f"console_{user}_password"]
    return requests.post(f"{stack.console_url}/api/{path}", json=wanted, auth=login, timeout=PATIENCE_S)


def _udfs(stack: Stack) -> set[str]:
    """Process ids of the UDFs, as Kapacitor's container numbers them."""
    # The brackets keep the search from finding itself.
    _, output = stack.container("kapacitor").exec_run(["sh", "-c", 'grep -lzx "[u]df" /proc/[0-9]*/cmdline'])
    assert isinstance(output, bytes)
    return set(re.findall(r"/proc/(\d+)/", output.decode()))


def _notices(stack: Stack) -> list[str]:
    """The versions of the model that UDFs said they score with, one after the other."""
    return re.findall(r"pipeline untrained: scoring with model ([\w.-]+)", stack.kapacitor_log.read_text())


def _current(stack: Stack) -> str:
    """The current version of its model; empty while there is none."""
    link = _folder(stack) / "current"
    return link.readlink().name if link.is_symlink() else ""


def _folder(stack: Stack) -> Path:
    return stack.dir / "data" / "models" / "untrained"


def _others(stack: Stack) -> Files:
    """The files of the other pipelines' models."""
    mine = str(_folder(stack).relative_to(stack.folder))
    return {path: state for path, state in model_files(stack).items() if not path.startswith(mine)}


def _models_of_new_scores(stack: Stack, versions: list[str], part: int) -> set[str]:
    """Writes the next minutes once the UDF has noticed the last of `versions`; returns which models scored them."""
    wait_for(lambda: _notices(stack)[-1:] == versions[-1:], f"the model {versions[-1]} in the UDF", explain=stack.logs)
    begin = STREAM_END + part * timedelta(minutes=MINUTES)
    # The last window ends with the first point after it.
    end = begin + timedelta(minutes=MINUTES) - WINDOW
    write_printers(stack, begin, f"{MINUTES}m")

    def models() -> list[str]:
        rows = read(stack.influx("reader"), "score", "untrained")
        return [row["model"] for row in rows if ns(begin) <= row["time"] < ns(end)]

    expected = 2 * ((end - begin) // WINDOW)
    wait_for(lambda: len(models()) == expected, "scores of the next minutes", explain=stack.logs)
    return set(models())
