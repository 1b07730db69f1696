"""What a handler on a pipeline's topic is told by a real kapacitord: once when a period opens, again when it gets
worse, once when it is over; of silence and drift likewise; and nothing twice over a restart or a new definition.
Each message is the one that `anomaly alerts preview` makes of the same point.

The TICKscript is the product's. The UDF in it is told by the data how severe a window is.
"""

import json
import os
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from datetime import UTC, datetime
from email.header import decode_header, make_header
from email.message import Message
from html import unescape
from pathlib import Path
from typing import Any

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.handlers import Message as MailHandler
from ansible_collections.influx_anomaly.stack.plugins.plugin_utils.kapacitor_conf import sections

from anomaly.cli.alerts import message
from anomaly.kapacitor.tickscript import declared, find_script
from anomaly.kapacitor.variables import TaskSettings, vars_document
from anomaly.pipeline import normalize
from anomaly.pipeline.dashboard import dashboard_uid
from anomaly.pipeline.links import Addresses
from daemons.daemon import WAIT
from daemons.influxd import Influxd
from daemons.kapacitord import AlertReceiver, Kapacitord, wait_until
from tests.integration.ports import free_port

pytestmark = pytest.mark.containers

Start = Callable[..., Kapacitord]
ROOT = Path(__file__).parents[2]
PROGRAMS = Path(__file__).parent / "programs"
SECOND = 1_000_000_000
BEGIN_S = 1_704_067_200
TASK = "printer"
TOPIC = "stack"
PIPELINE: dict[str, Any] = {
    "name": TASK,
    "database": "db",
    "measurement": "temperature",
    # What the UDF of these tests is told; a point need not have each of them.
    "fields": [
        "severity",
        "shadow",
        "drifted",
        "silent",
        "joint",
        "clock",
        "rate",
        "mute",
        "history",
        "invalid",
        "limit",
    ],
    "group_by": ["printer"],
    "window": "10s",
    "periods": {"merge": "20s", "silence": "1m"},
}
GRAFANA, CONSOLE = "https://grafana.example/sub", "https://console.example"
TO_GRAFANA = Addresses(GRAFANA)
P1 = "pipeline=printer,printer=p1"
# The begin of the third window.
SINCE = "2024-01-01 00:00:20 UTC"


@pytest.fixture
def receiver() -> Iterator[AlertReceiver]:
    receiver = AlertReceiver()
    yield receiver
    receiver.close()


def definition(addresses: Addresses = TO_GRAFANA, **changes: Any) -> tuple[str, dict[str, Any]]:
    """The script and the vars document of the task."""
    (pipeline,) = normalize([{**PIPELINE, **changes}])
    script = find_script(pipeline, Path())
    return script, vars_document(TaskSettings(pipeline, "anomaly", TOPIC, addresses), declared(script))


@pytest.fixture
def start(kapacitord: Start, influxd: Influxd, receiver: AlertReceiver) -> Callable[..., Kapacitord]:
    """Start a kapacitord with the pipeline's task, and a handler on the stack's topic."""
    influxd.create("anomaly")
    source = [str(ROOT / "udf" / name / "src") for name in ("anomaly", "kapacitor_udf")]

    def started(more: str = "", **changes: Any) -> Kapacitord:
        kapacitor = kapacitord(
            commands={"anomaly": [sys.executable, str(PROGRAMS / "severe.py")]},
            environment={"PYTHONPATH": os.pathsep.join([*source, str(PROGRAMS)])},
            influxdb=influxd.url,
            timeout="60s",
            more=more,
        )
        listen(kapacitor, receiver, TOPIC)
        script, document = definition(**changes)
        kapacitor.define(TASK, script, document=document)
        return kapacitor

    return started


def listen(kapacitor: Kapacitord, receiver: AlertReceiver, topic: str, **more: Any) -> None:
    handler = {"id": "web", "kind": "post", "options": {"url": receiver.url}, **more}
    answer = kapacitor.call("POST", f"/alerts/topics/{topic}/handlers", handler)
    assert answer.status == 200, answer.body.decode()


def lines(windows: Mapping[int, float], printer: str = "p1", **more: float) -> list[str]:
    """A point for each window, by number, with its severity."""
    return [
        f"temperature,printer={printer} "
        + ",".join(f"{name}={value}" for name, value in {"severity": severity, **more}.items())
        + f" {(BEGIN_S + 10 * window) * SECOND}"
        for window, severity in windows.items()
    ]


def told(body: Mapping[str, Any], addresses: Addresses = TO_GRAFANA) -> str:
    """Return an alert's message without its link, after it was compared with the preview's."""
    (series,) = body["data"]["series"]
    fields = {
        name: value for name, value in zip(series["columns"], series["values"][0], strict=True) if value is not None
    }
    moment = datetime.fromisoformat(fields.pop("time")).astimezone(UTC)
    tags = {tag: value for tag, value in series["tags"].items() if tag != "notice"}
    pipeline, time_ns = normalize([PIPELINE])[0], int(moment.timestamp()) * SECOND
    previewed = message(body["id"].rpartition(" ")[2], body["level"], tags, time_ns, fields, pipeline, addresses)
    assert body["message"] == previewed
    return str(body["message"]).partition(" https://")[0]


def windows(first: int, *severities: float) -> dict[int, float]:
    return dict(enumerate(severities, first))


def expect(receiver: AlertReceiver, **levels: list[str]) -> None:
    """Wait for these levels of each alert, by its kind and series, and no others. Those of one alert come in order."""
    receiver.wait_until(lambda: len(receiver.bodies) >= sum(map(len, levels.values())))
    found: dict[str, list[str]] = {}
    for body in receiver.bodies:
        told(body)
        series, kind = body["id"].removeprefix("pipeline=printer,printer=").split()
        found.setdefault(f"{kind}_{series}", []).append(body["level"])
    assert found == levels


def test_a_period_is_told_when_it_opens_when_it_gets_worse_and_when_it_is_over(
    start: Start, receiver: AlertReceiver
) -> None:
    kapacitor = start()
    kapacitor.write(*lines(windows(0, 10, 10, 80, 80, 60, 90, 100, 100, 80, 10, 10, 10, 10, 10, 10, 10, 80, 10)))
    expect(receiver, period_p1=["INFO", "WARNING", "CRITICAL", "OK", "INFO"])
    since = f"anomalous since {SINCE}, because of severity, peak severity"
    worse = "once in 4.3 years; at 2024-01-01 00:00:50 UTC severity was 90, above the expected 0 to 50"
    worst = (
        "because of severity, peak severity 100.0: once in 27 years or more rarely; "
        "at 2024-01-01 00:01:00 UTC severity was 100, above the expected 0 to 50"
    )
    assert [told(body) for body in receiver.bodies[:4]] == [
        f"INFO {P1}: {since} 80.0: once in 251 days; at {SINCE} severity was 80, above the expected 0 to 50",
        f"WARNING {P1}: {since} 90.0: {worse}",
        f"CRITICAL {P1}: anomalous since {SINCE}, {worst}",
        f"OK {P1}: anomalous from {SINCE} for 1m10s, {worst}",
    ]
    (series,) = receiver.bodies[0]["data"]["series"]
    assert series["tags"] == {"pipeline": TASK, "printer": "p1"}
    kapacitor.assert_healthy()


def test_each_series_has_its_own_alert_and_a_shadow_has_none(start: Start, receiver: AlertReceiver) -> None:
    kapacitor = start()
    kapacitor.write(
        *lines(windows(0, 10, 90), shadow=100),
        *lines(windows(0, 10, 100), "p2"),
        *lines(windows(2, 10, 10, 10)),
        *lines(windows(2, 100), "p2"),
    )
    expect(receiver, period_p1=["WARNING", "OK"], period_p2=["CRITICAL"])
    kapacitor.write(*lines(windows(3, 10, 10, 10), "p2"))
    expect(receiver, period_p1=["WARNING", "OK"], period_p2=["CRITICAL", "OK"])


def test_silence_that_nobody_told_is_told_once_when_data_return(start: Start, receiver: AlertReceiver) -> None:
    kapacitor = start()
    kapacitor.write(*lines(windows(0, 10, 90)), *lines(windows(20, 10, 10, 10, 10)), *lines(windows(40, 10, 10)))
    expect(receiver, period_p1=["WARNING", "OK"], silence_p1=["WARNING", "OK", "WARNING"])
    messages = silences(receiver)
    assert messages[:2] == [f"WARNING {P1}: no data from {SINCE} for 3m0s", f"OK {P1}: data arrive"]


def silences(receiver: AlertReceiver) -> list[str]:
    """The messages of alerts on silence, in the order they came."""
    return [told(body) for body in receiver.bodies if body["id"].endswith("silence")]


def test_silence_is_told_when_it_begins_and_when_it_is_over(start: Start, receiver: AlertReceiver) -> None:
    kapacitor = start()
    kapacitor.write(*lines(windows(0, 10)), *lines(windows(1, 10), silent=70), *lines(windows(20, 10, 10, 10)))
    expect(receiver, silence_p1=["WARNING", "OK"])
    assert silences(receiver) == [
        f"WARNING {P1}: no data since {SINCE}, for 1m10s",
        f"OK {P1}: data arrive, silent for 3m0s",
    ]


def test_an_anomaly_that_falls_silent_is_over_and_its_silence_is_told(start: Start, receiver: AlertReceiver) -> None:
    kapacitor = start()
    kapacitor.write(*lines(windows(0, 10)), *lines(windows(1, 90), silent=70), *lines(windows(20, 90, 10)))
    expect(receiver, period_p1=["WARNING", "OK", "WARNING"], silence_p1=["WARNING", "OK"])


def test_the_silence_of_all_series_is_one_alert(start: Start, receiver: AlertReceiver) -> None:
    kapacitor = start()
    kapacitor.write(
        *lines(windows(0, 10), silent=70, joint=1),
        *lines(windows(0, 10), "p2", silent=70, joint=1, mute=1),
        *lines(windows(20, 10, 10), "p2"),
        *lines(windows(20, 10), mute=0),
        *lines(windows(21, 10, 10)),
    )
    receiver.wait_until(lambda: len(receiver.bodies) >= 2)
    assert [(body["id"], told(body)) for body in receiver.bodies] == [
        ("pipeline=printer silence", "WARNING pipeline=printer: no data since 2024-01-01 00:00:00 UTC, all 2 series"),
        ("pipeline=printer silence", "OK pipeline=printer: data arrive, silent for 1m0s, all 2 series"),
    ]
    kapacitor.assert_healthy()


def test_silence_that_a_restart_forgot_is_over_with_the_second_window(start: Start, receiver: AlertReceiver) -> None:
    kapacitor = start()
    kapacitor.write(*lines(windows(0, 10)), *lines(windows(1, 10), silent=70))
    expect(receiver, silence_p1=["WARNING"])
    restart(kapacitor)
    kapacitor.write(*lines(windows(30, 10, 10, 10)))
    expect(receiver, silence_p1=["WARNING", "OK"])
    assert silences(receiver)[1] == f"OK {P1}: data arrive"


@pytest.mark.parametrize(
    ("kind", "level", "text"),
    [
        ("clock", "WARNING", "2 points are ahead of the clock"),
        ("rate", "INFO", "2 points a window, training saw 6"),
        ("invalid", "WARNING", "bed is 850, which is not a measurement"),
    ],
)
def test_a_notice_is_told_when_it_opens_and_when_it_is_over(
    start: Start, receiver: AlertReceiver, kind: str, level: str, text: str
) -> None:
    kapacitor = start()
    for window, state in enumerate((1, 1, 0, 0, 0)):
        kapacitor.write(*lines({window: 10}, "p1", **{kind: state}))
    expect(receiver, **{f"{kind}_p1": [level, "OK"]})
    assert [told(body) for body in receiver.bodies] == [
        f"{level} {P1}: {text}",
        f"OK {P1}: over after 1m0s: {text}",
    ]


def test_a_limit_is_told_as_such_and_not_as_rare(start: Start, receiver: AlertReceiver) -> None:
    kapacitor = start()
    kapacitor.write(*lines({0: 10}), *lines({1: 100}, limit=1), *lines(windows(2, 10, 10, 10, 10)))
    expect(receiver, period_p1=["CRITICAL", "OK"])
    since = "2024-01-01 00:00:10 UTC"
    limit = f"because of severity above 90, a limit; at {since} severity was 100, above the expected 0 to 50"
    assert [told(body) for body in receiver.bodies] == [
        f"CRITICAL {P1}: anomalous since {since}, {limit}",
        f"OK {P1}: anomalous from {since} for 10s, {limit}",
    ]


def test_history_alerts_nobody(start: Start, receiver: AlertReceiver) -> None:
    kapacitor = start()
    kapacitor.write(
        *lines(windows(0, 10, 100, 100), history=1, drifted=1, clock=1, rate=1, invalid=1, mute=1, silent=70)
    )
    kapacitor.write(*lines(windows(40, 10, 90, 10)))
    expect(receiver, period_p1=["WARNING"])


def test_drift_is_told_when_it_is_there_and_when_it_is_over(start: Start, receiver: AlertReceiver) -> None:
    kapacitor = start()
    for window, drifted in enumerate((0, 1, 1, 0, 0)):
        kapacitor.write(*lines({window: 10}, drifted=drifted))
    expect(receiver, drift_p1=["INFO", "OK"])
    assert told(receiver.bodies[0]) == (
        f"INFO {P1}: no longer as in training, stability index 0.40, share of anomalous windows 0.010"
    )


def restart(kapacitor: Kapacitord) -> None:
    kapacitor.stop()
    kapacitor.start()


def define_anew(kapacitor: Kapacitord) -> None:
    """As the module kapacitor_task does it."""
    script, document = definition(periods={**PIPELINE["periods"], "open": 76})
    changed = {"script": script, "vars": document}
    for changes in (changed, {"status": "disabled"}, {"status": "enabled"}):
        assert kapacitor.call("PATCH", f"/tasks/{TASK}", changes).status == 200


@pytest.fixture(params=[restart, define_anew])
def interrupted(start: Start, receiver: AlertReceiver, request: pytest.FixtureRequest) -> Kapacitord:
    """After a period was told, and before it is closed."""
    kapacitor = start()
    kapacitor.write(*lines(windows(0, 10, 90, 90, 90)))
    expect(receiver, period_p1=["WARNING"])
    request.param(kapacitor)
    return kapacitor


def test_an_interruption_tells_nothing_twice(interrupted: Kapacitord, receiver: AlertReceiver) -> None:
    # The UDF knows nothing of the period that it had open, and finds one that is less severe.
    interrupted.write(*lines(windows(4, 80, 80, 10, 10, 10, 10)))
    expect(receiver, period_p1=["WARNING", "OK"])


def test_a_period_that_ended_while_nobody_looked_is_over(interrupted: Kapacitord, receiver: AlertReceiver) -> None:
    interrupted.write(*lines(windows(4, 10, 10, 10, 10, 10, 10, 10, 90, 90, 10)))
    expect(receiver, period_p1=["WARNING", "OK", "WARNING"])
    assert told(receiver.bodies[1]) == f"OK {P1}: no longer anomalous"


def test_what_is_told_and_where_is_the_pipelines(start: Start, receiver: AlertReceiver) -> None:
    kapacitor = start(alerts={"kinds": ["period"], "info": 85, "topic": "workshop"})
    listen(kapacitor, receiver, "workshop", match="level() != OK")
    kapacitor.write(*lines(windows(0, 10, 80, 10, 10, 10, 90, 10, 10, 10), drifted=1), *lines(windows(20, 10, 100, 10)))
    expect(receiver, period_p1=["WARNING", "CRITICAL"])


def test_a_service_that_has_a_section_is_told(start: Start, receiver: AlertReceiver) -> None:
    kapacitor = start(sections({"slack": {"url": receiver.url, "channel": "#machines"}}), alerts={"topic": "workshop"})
    answer = kapacitor.call("POST", "/alerts/topics/workshop/handlers", {"id": "chat", "kind": "slack"})
    assert answer.status == 200, answer.body.decode()
    kapacitor.write(*lines(windows(0, 10, 100, 10)))
    receiver.wait_until(lambda: len(receiver.bodies) == 1)
    (body,) = receiver.bodies
    assert body["channel"] == "#machines"
    assert f"CRITICAL {P1}: anomalous since" in json.dumps(body)


HOSTILE = "<!channel>&*b*_i_~s~\x1b[31m\u202e" + "x" * 80


def test_a_series_name_is_no_markup_in_a_chat(start: Start, receiver: AlertReceiver) -> None:
    kapacitor = start(sections({"slack": {"url": receiver.url, "channel": "#machines"}}))
    answer = kapacitor.call("POST", f"/alerts/topics/{TOPIC}/handlers", {"id": "chat", "kind": "slack"})
    assert answer.status == 200, answer.body.decode()
    kapacitor.write(*lines(windows(0, 10, 100, 10), HOSTILE), *lines(windows(3, 10, 10, 10), HOSTILE))
    receiver.wait_until(lambda: len(receiver.bodies) == 4)

    posted = [body for body in receiver.bodies if "attachments" not in body]
    chats = [body["attachments"][0]["text"] for body in receiver.bodies if "attachments" in body]
    assert [body["level"] for body in posted] == ["CRITICAL", "OK"]
    for text in (*map(told, posted), *chats):
        assert "pipeline=printer,printer=‹!channel›&*b*_i_~s~?[31m?xxx" in text
        assert not set("<>\x1b\u202e") & set(text)
    assert posted[0]["data"]["series"][0]["tags"]["printer"] == HOSTILE


def test_a_link_shows_the_series_at_that_time(start: Start, receiver: AlertReceiver) -> None:
    kapacitor = start()
    kapacitor.write(*lines(windows(0, 10, 90), "a+b&c\\ ü"))
    receiver.wait_until(lambda: len(receiver.bodies) == 1)

    (body,) = receiver.bodies
    said = told(body)
    begin_ms = (BEGIN_S + 10) * 1000
    query = f"from={begin_ms - 3_600_000}&to={begin_ms + 10_000 + 3_600_000}&var-tag1=a%2Bb%26c+%C3%BC"
    assert body["message"] == f"{said} {GRAFANA}/d/{dashboard_uid(TASK)}/?{query}"


def test_a_link_to_the_console_shows_the_period_the_series_or_the_pipeline(
    start: Start, receiver: AlertReceiver
) -> None:
    addresses = Addresses(GRAFANA, CONSOLE)
    kapacitor = start(addresses=addresses)
    kapacitor.write(*lines(windows(0, 10, 90), "a+b&c\\ ü"), *lines(windows(2, 10), drifted=1, mute=1))
    receiver.wait_until(lambda: len(receiver.bodies) == 3)

    links = {}
    for body in receiver.bodies:
        said = told(body, addresses)
        links[body["id"].rpartition(" ")[2]] = body["message"].removeprefix(f"{said} {CONSOLE}/")
    assert links == {
        "period": f"period?pipeline=printer&series=printer%3Da%2Bb%26c+%C3%BC&begin={(BEGIN_S + 10) * SECOND}",
        "drift": "series?pipeline=printer&series=printer%3Dp1&from=2023-12-31T23:00:20Z&to=2024-01-01T01:00:20Z",
        "silence": "?pipeline=printer",
    }


class Mails(MailHandler):
    """Keeps the mails that come, in their order."""

    def __init__(self) -> None:
        super().__init__()
        self.received: list[Message] = []

    def handle_message(self, message: Message) -> None:
        self.received.append(message)


@pytest.fixture
def mails() -> Iterator[tuple[Mails, int]]:
    handler = Mails()
    controller = Controller(handler, hostname="127.0.0.1", port=free_port(), ready_timeout=WAIT)
    controller.start()
    yield handler, controller.port
    with suppress(Exception):
        controller.stop()


def test_the_life_of_a_period_arrives_by_http_and_by_mail_over_a_restart(
    start: Start, receiver: AlertReceiver, mails: tuple[Mails, int]
) -> None:
    handler, port = mails
    section = {"host": "127.0.0.1", "port": port, "from": "kapacitor@example.org"}
    kapacitor = start(sections({"smtp": section}))
    options = {"to": ["ops@example.org"]}
    mail = {"id": "mail", "kind": "smtp", "options": options}
    answer = kapacitor.call("POST", f"/alerts/topics/{TOPIC}/handlers", mail)
    assert answer.status == 200, answer.body.decode()
    kapacitor.write(*lines(windows(0, 10, 80, 80, 90)))
    expect(receiver, period_p1=["INFO", "WARNING"])
    wait_until(lambda: len(handler.received) == 2, "two mails")
    restart(kapacitor)
    kapacitor.write(*lines(windows(4, 100, 80, 10, 10, 10, 10)))
    expect(receiver, period_p1=["INFO", "WARNING", "CRITICAL", "OK"])
    wait_until(lambda: len(handler.received) == 4, "four mails")

    assert "for 20s, because of severity, peak severity 100.0" in told(receiver.bodies[3])
    subjects = [str(make_header(decode_header(mail["Subject"]))) for mail in handler.received]
    assert [" ".join(subject.split()) for subject in subjects] == [body["message"] for body in receiver.bodies]
    bodies = [unescape(mail.get_payload(decode=True).decode()) for mail in handler.received]  # type: ignore[union-attr]
    assert [body.strip() for body in bodies] == [body["message"] for body in receiver.bodies]
