"""The keeper's part of Kapacitor's API, against a stand-in that keeps what it was asked."""

from base64 import b64encode
from collections.abc import Iterator

import pytest

from anomaly.keeper.kapacitor import KapacitorClient, KapacitorClientError, KapacitorLoginError, TaskState
from tests.unit.anomaly.keeper.kapacitor_double import Kapacitor, serve, task


@pytest.fixture
def api() -> Iterator[Kapacitor]:
    with serve(Kapacitor()) as api:
        yield api


def test_all_tasks_are_read_page_by_page(api: Kapacitor) -> None:
    api.tasks = {str(number): task() for number in range(205)}
    assert list(KapacitorClient(api.url).tasks()) == [str(number) for number in range(205)]
    assert [offset for _, _, offset in api.asked] == [["0"], ["100"], ["200"]]


def test_the_state_of_a_task_is_what_kapacitor_says(api: Kapacitor) -> None:
    api.tasks = {"a": task("disabled", executing=False), "b": task(executing=False, error="killed")}
    assert KapacitorClient(api.url + "/").tasks() == {
        "a": TaskState(enabled=False, executing=False, error=""),
        "b": TaskState(enabled=True, executing=False, error="killed"),
    }


def test_the_writes_that_failed_are_those_of_all_nodes(api: Kapacitor) -> None:
    nodes = {"influxdb_out5": {"write_errors": 3, "points_written": 8}, "eval2": {"errors": 4}, "influxdb_out9": {}}
    api.tasks = {"a": {**task(), "stats": {"node-stats": nodes}}, "b": {**task(), "stats": {}}}
    tasks = KapacitorClient(api.url).tasks()
    assert [tasks["a"].lost_writes, tasks["b"].lost_writes] == [3, 0]


def test_a_task_is_started_again_by_ending_it_first(api: Kapacitor) -> None:
    KapacitorClient(api.url, "keeper", "secret").start_again("a b/c")
    path = "/kapacitor/v1/tasks/a%20b%2Fc"
    assert api.asked[1:] == [("PATCH", path, {"status": "disabled"}), ("PATCH", path, {"status": "enabled"})]
    assert api.authorization == ["Basic a2VlcGVyOnNlY3JldA=="] * 3


def test_a_password_is_sent_in_utf_8(api: Kapacitor) -> None:
    KapacitorClient(api.url, "keeper", "geheim-é-数").tasks()
    assert api.authorization == ["Basic " + b64encode("keeper:geheim-é-数".encode()).decode()]


def test_a_task_of_the_users_is_left_alone(api: Kapacitor) -> None:
    """A pipeline may have been given the name of one before the deployment refused that."""
    api.script = "stream|from()|log()"
    with pytest.raises(KapacitorClientError, match="a task mine that is none of a pipeline's: rename one of them"):
        KapacitorClient(api.url).start_again("mine")
    assert [method for method, _, _ in api.asked] == ["GET"]


@pytest.mark.parametrize(
    ("status", "body", "message"),
    [
        (404, b'{"error": "no task exists"}', r"refused GET /tasks/a \(404 no task exists\)"),
        (403, b"{}", r"refused GET /tasks/a \(403 Forbidden\)"),
        (200, b"<html>", "answered something else than its JSON: check --kapacitor-url"),
        (200, b"[]", "answered something else than its JSON: check --kapacitor-url"),
    ],
)
def test_a_refusal_names_what_was_asked(api: Kapacitor, status: int, body: bytes, message: str) -> None:
    api.status, api.body = status, body
    with pytest.raises(KapacitorClientError, match=message):
        KapacitorClient(api.url).start_again("a")


def test_a_kapacitor_that_does_not_let_the_keeper_in_says_what_to_run(api: Kapacitor) -> None:
    api.status, api.body = 401, b'{"error": "authorization failed"}'
    with pytest.raises(KapacitorLoginError, match=r"does not let the keeper in \(401\): run site.yml"):
        KapacitorClient(api.url).tasks()


def test_a_kapacitor_that_is_away_is_an_error() -> None:
    with serve(Kapacitor()) as api:
        pass
    with pytest.raises(KapacitorClientError, match=r"is not reachable \(ConnectionError\): check that it is running"):
        KapacitorClient(api.url).tasks()
