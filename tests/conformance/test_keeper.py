"""The keeper on real daemons: what dies is alive again, and every window has the score of an undisturbed run."""

import os
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from email import message_from_bytes
from email.policy import default
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.handlers import Message as MailHandler

from anomaly.kapacitor.tickscript import declared, find_script
from anomaly.kapacitor.variables import TaskSettings, vars_document
from anomaly.keeper.kapacitor import KapacitorClient
from anomaly.models.model import Model
from anomaly.training.fit import train
from daemons.daemon import WAIT
from daemons.influxd import Influxd
from daemons.kapacitord import AlertReceiver, Kapacitord, wait_until
from daemons.server import Server
from tests.conformance.live import LIVE, LiveStack, environment, make_store, udf_command
from tests.integration.ports import free_port
from tests.unit.anomaly import printers
from tests.unit.anomaly.printers import PIPELINE

SECOND = 1_000_000_000


@pytest.fixture(scope="module")
def model() -> Model:
    windows = printers.windows(printers.clean(1, 20_000), printers.clean(2, 20_000))
    return train(PIPELINE, windows, "first", seed=0).model


@pytest.fixture
def live(kapacitord: Callable[..., Kapacitord], influxd: Influxd, model: Model, tmp_path: Path) -> Iterator[LiveStack]:
    influxd.create("db", "broken", "whole")
    served = make_store(model, tmp_path)
    kapacitor = kapacitord(
        commands={"anomaly": list(udf_command(tmp_path))},
        environment={
            **environment(),
            "ANOMALY_STATE": str(tmp_path / "state"),
            "ANOMALY_HAND_OVER": str(tmp_path / "hand_over"),
        },
        influxdb=influxd.url,
        timeout="60s",
        snapshot_interval="5s",
        port=free_port(),
    )
    live = LiveStack(influxd, kapacitor, served, tmp_path)
    yield live
    live.writer.end()


class Mails(MailHandler):
    """Keeps the subjects of the mails that arrive."""

    def __init__(self) -> None:
        super().__init__()
        self.subjects: list[str] = []

    def handle_message(self, message: Any) -> None:
        self.subjects.append(message_from_bytes(bytes(message), policy=default)["Subject"])


@pytest.fixture
def people() -> Iterator[tuple[AlertReceiver, Mails, dict[str, Any]]]:
    """Who is told, over HTTP and by mail, and the messengers that reach them."""
    receiver, mails = AlertReceiver(), Mails()
    controller = Controller(mails, hostname="127.0.0.1", port=free_port(), ready_timeout=WAIT)
    controller.start()
    mail = {"kind": "smtp", "host": "127.0.0.1", "port": controller.port, "from": "a@example.org"}
    yield receiver, mails, {"post": {"kind": "post", "url": receiver.url}, "mail": {**mail, "to": ["b@example.org"]}}
    controller.stop()
    receiver.close()


@contextmanager
def damaged(path: Path) -> Iterator[None]:
    """Cut a file off, and bring it back at the end."""
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])
    try:
        yield
    finally:
        path.write_bytes(content)


def levels(receiver: AlertReceiver, subject: str) -> list[str]:
    """What was told of outages of a subject, but for those that were over before they were told."""
    return [body["level"] for body in receiver.bodies if body["id"] == subject and body["level"] != "INFO"]


@pytest.mark.containers
def test_what_dies_is_healed_and_every_window_is_scored_once(
    live: LiveStack, people: tuple[AlertReceiver, Mails, dict[str, Any]]
) -> None:
    receiver, mails, messengers = people
    with live.keeper(messengers):
        wait_until(lambda: len(live.scores()) >= 10, "the first scores")
        with damaged(live.arrays):
            # The UDF goes on with the model that it has in memory.
            in_memory = f"{LIVE.name} is scored by model {live.model.version} in memory, until its UDF is started again"
            wait_until(lambda: in_memory in live.said.read_text(), "the finding of a damaged model")
        before = live.udf()
        live.writer.is_broken = True
        live.kill_udf()
        live.kapacitor.wait_for_task(LIVE.name, lambda task: task["executing"] and before != live.udf())
        wait_until(lambda: "caught up to" in live.said.read_text(), "the catch-up after the UDF's death")

        live.kill_kapacitor()
        wait_until(lambda: levels(receiver, "detection kapacitor") == ["CRITICAL"], "'detection is down'")
        live.writer.is_broken = False
        live.kapacitor.start()
        wait_until(lambda: levels(receiver, "detection kapacitor") == ["CRITICAL", "OK"], "'detection is back'")
        end_ns = wait_until(lambda: _calm_until(live), "the end of the fault's period")
        live.wait_for_scores(live.undisturbed(end_ns))
        # The windows in which something was killed are corrected by a catch-up.
        wait_until(lambda: _scores(live, "whole", end_ns) == _scores(live, "broken", end_ns), "equal scores")
        # The UDF goes on with what the catch-up has handed over, and its second half of the period is removed.
        wait_until(lambda: live.taken_over() >= 2, "a hand-over that the UDF has taken")
        wait_until(lambda: _periods(live, "whole", end_ns) == _periods(live, "broken", end_ns), "equal periods")
    broken, whole = (_places(live, database, end_ns) for database in ("broken", "whole"))
    assert broken == whole
    assert len(whole) > 40
    # Each is told once, to everybody.
    kapacitor = [body for body in receiver.bodies if body["id"] == "detection kapacitor"]
    texts = [body["message"] for body in kapacitor if body["level"] != "INFO"]
    assert texts[0].startswith("detection is down (kapacitor): Kapacitor at ")
    assert texts[1].startswith("detection is back (kapacitor), it was down for ")
    told = [subject.partition(":")[0] for subject in mails.subjects if "(kapacitor)" in subject]
    assert [level for level in told if level != "INFO"] == ["CRITICAL", "OK"]
    # A task that is started again at once has an outage that is told when it is over, if the machine is not too slow.
    assert [body for body in receiver.bodies if body["id"] == f"detection pipeline {LIVE.name}"]


@pytest.mark.containers
def test_a_task_is_starting_until_its_udf_answers(
    kapacitord: Callable[..., Kapacitord], influxd: Influxd, tmp_path: Path
) -> None:
    """A keeper that starts it again meanwhile lets a deployment fail."""
    hold = tmp_path / "hold"
    waiting = ["sh", "-c", f'while [ -e {hold} ]; do sleep 0.1; done; exec "$@"', "sh"]
    (tmp_path / "models").mkdir()
    kapacitor = kapacitord(
        commands={"anomaly": [*waiting, *udf_command(tmp_path)]},
        environment=environment(),
        influxdb=influxd.url,
        timeout="60s",
        port=free_port(),
    )
    client = KapacitorClient(kapacitor.url.removesuffix("/kapacitor/v1"))
    script = find_script(LIVE, Path())
    document = vars_document(TaskSettings(LIVE, "broken", "anomaly"), declared(script))
    # Kapacitor has run the UDF once, when it was started itself.
    hold.touch()
    with ThreadPoolExecutor(1) as background:
        definition = background.submit(kapacitor.define, LIVE.name, script, document=document)
        wait_until(lambda: LIVE.name in client.tasks() and client.tasks()[LIVE.name].is_starting, "a task that starts")
        hold.unlink()
        definition.result()
    state = client.tasks()[LIVE.name]
    assert (state.enabled, state.executing, state.is_starting) == (True, True, False)


@pytest.mark.containers
def test_a_server_of_the_udf_that_is_restarted_loses_no_window(
    kapacitord: Callable[..., Kapacitord], influxd: Influxd, model: Model, tmp_path: Path
) -> None:
    """A Kapacitor of the user's own dials the UDF's socket, and never again."""
    influxd.create("db", "broken", "whole")
    served, path = make_store(model, tmp_path), tmp_path / "anomaly.sock"
    places = {"ANOMALY_STATE": str(tmp_path / "state"), "ANOMALY_HAND_OVER": str(tmp_path / "hand_over")}
    command = [*udf_command(tmp_path), "--socket", str(path)]
    with Server(command, path, {**os.environ, **environment(), **places}) as udf:
        kapacitor = kapacitord(
            sockets={"anomaly": path}, influxdb=influxd.url, timeout="60s", snapshot_interval="5s", port=free_port()
        )
        live = LiveStack(influxd, kapacitor, served, tmp_path)
        try:
            with live.keeper({}):
                wait_until(lambda: len(live.scores()) >= 10, "the first scores")
                udf.process.terminate()
                udf.process.wait(WAIT)
                udf.start()
                wait_until(lambda: "caught up to" in live.said.read_text(), "the catch-up after the server's restart")
                live.kapacitor.wait_for_task(LIVE.name, lambda task: task["executing"])
                live.wait_for_scores(live.undisturbed(time.time_ns() - 10 * SECOND))
        finally:
            live.writer.end()


@pytest.mark.containers
def test_without_the_keeper_windows_are_lost(live: LiveStack) -> None:
    wait_until(lambda: len(live.scores()) >= 10, "the first scores")
    live.kill_udf()
    live.kapacitor.wait_for_task(LIVE.name, lambda task: not task["executing"])
    killed_ns = time.time_ns()
    wait_until(lambda: time.time_ns() > killed_ns + 8 * LIVE.window_ns, "eight windows more")
    expected = live.undisturbed(time.time_ns() - 2 * LIVE.window_ns)
    lost = expected - live.scores()
    assert len(lost) >= 8
    assert not live.kapacitor.task(LIVE.name)["executing"]


def _calm_until(live: LiveStack) -> int:
    """Return until when all is known of an undisturbed run, in which no period runs; 0 while one does."""
    end_ns = time.time_ns() - 10 * SECOND
    live.undisturbed(end_ns)
    periods = live.content("whole")["period"].values()
    return end_ns if all(fields["state"] == "closed" for fields in periods) else 0


def _scores(live: LiveStack, database: str, end_ns: int) -> Any:
    """Return scores and severities of the windows well before `end_ns`, which are equal within 1e-9."""
    scores = live.content(database)["score"]
    values = [[scores[place][name] for name in ("score", "severity")] for place in _places(live, database, end_ns)]
    return pytest.approx(np.array(values), rel=1e-9, abs=1e-9) if database == "whole" else np.array(values)


def _periods(live: LiveStack, database: str, end_ns: int) -> dict[tuple[str, int], Any]:
    """Return what is said of the periods that begin well before `end_ns`; floats are equal within 1e-9."""
    return {
        place: [
            pytest.approx(value, rel=1e-9) if isinstance(value, float) and database == "whole" else value
            for name, value in sorted(fields.items())
            if value is not None and name != "printer"
        ]
        for place, fields in live.content(database)["period"].items()
        if place[1] < end_ns - 5 * LIVE.window_ns
    }


def _places(live: LiveStack, database: str, end_ns: int) -> list[tuple[str, int]]:
    """Return series and begin of the scored windows well before `end_ns`, of which each may be there once."""
    # What an undisturbed run says of its last windows may depend on points after them.
    before_ns = end_ns - 5 * LIVE.window_ns
    return sorted(place for place in live.scores(database) if place[1] < before_ns)
