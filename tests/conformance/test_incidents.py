"""The life of an incident through a real InfluxDB and a real kapacitord, over restarts of both Kapacitor and keeper."""

import itertools
import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from ansible_collections.influx_anomaly.stack.plugins.module_utils import kapacitor_tasks
from ansible_collections.influx_anomaly.stack.plugins.module_utils.kapacitor_api import Kapacitor

from anomaly.influxdb.lines import line
from anomaly.keeper.incident_watch import IncidentSettings, IncidentWatch
from anomaly.keeper.kapacitor import KapacitorClient, KapacitorClientError
from anomaly.pipeline import normalize
from anomaly.pipeline.links import Addresses
from anomaly.scoring.results import Result
from daemons.influxd import Influxd
from daemons.kapacitord import AlertReceiver, Kapacitord, wait_until
from tests.ansible.rendering import value
from tests.integration.ports import free_port

pytestmark = pytest.mark.containers

SECOND = 1_000_000_000
BEGIN_NS = 1_704_067_200 * SECOND
TOPIC = "stack-incidents"
PIPELINE = normalize(
    [
        {
            "name": "printer",
            "database": "db",
            "measurement": "temperature",
            "fields": ["hotend"],
            "group_by": ["printer", "switch"],
            "window": "10s",
        }
    ]
)[0]


@pytest.fixture
def receiver() -> Iterator[AlertReceiver]:
    receiver = AlertReceiver()
    yield receiver
    receiver.close()


class Stack:
    """InfluxDB, Kapacitor with the task of incidents, and a keeper's watch that can be started anew.

    Attributes:
        kapacitor: Kapacitor.
        addresses: where the messages of the next watch lead to.
        watch: what the keeper has of incidents.
    """

    def __init__(self, influxd: Influxd, kapacitor: Kapacitord, receiver: AlertReceiver) -> None:
        influxd.create("anomaly")
        self.kapacitor = kapacitor
        self.addresses = Addresses("https://grafana.example/")
        self._influxd = influxd
        # However often a test looks, time does not go on.
        self._seconds = itertools.cycle((600, 610))
        for actions in (["created", "enabled"], []):
            assert self._deploy() == actions
        handler = {"id": "web", "kind": "post", "options": {"url": receiver.url}}
        answer = kapacitor.call("POST", f"/alerts/topics/{TOPIC}/handlers", handler)
        assert answer.status == 200, answer.body.decode()
        self.watch = self._new_watch()

    def _deploy(self) -> list[str]:
        """Ensure the task as the role does it; return what was done."""
        given = {"stack_name": "stack", "kapacitor_alert_handlers": [{"id": "web", "kind": "post", "notify": "both"}]}
        task = value("__kapacitor_incidents", "kapacitor", **given)
        places = {"database": task["database"], "retention_policy": task["retention_policy"]}
        wanted = {
            "id": task["id"],
            "state": "enabled",
            "dbrps": [places],
            "script": value("__kapacitor_incidents_script", "kapacitor", **given),
            "vars": {"topic": {"type": "string", "value": value("__kapacitor_incident_topic", "kapacitor", **given)}},
            "owner_marker": task["marker"],
            "template": None,
            "watch": 0,
        }
        assert wanted["script"].splitlines()[0] == f"// {task['marker']}"
        client = Kapacitor(self.kapacitor.url.removesuffix("/kapacitor/v1"))
        done = kapacitor_tasks.run(client, wanted, check_mode=False)
        return list(done["actions"])

    def _new_watch(self) -> IncidentWatch:
        kapacitor = KapacitorClient(self.kapacitor.url.removesuffix("/kapacitor/v1"))
        settings = IncidentSettings("stack", "anomaly", TOPIC, self.addresses)
        return IncidentWatch(self._influxd.client, kapacitor, settings, print)

    def restart_keeper(self) -> None:
        """Go on with what the keeper's file would hold."""
        state = json.loads(json.dumps(self.watch.state()))
        self.watch = self._new_watch()
        self.watch.restore(state)

    def store(self, count: int, severity: float, state: str = "open") -> None:
        """Write the period of each of some series, all but two of which are at the switch sw3, and a score of all."""
        points = []
        for number in range(40):
            switch = "sw3" if number < count - 2 or number >= 38 else "sw1"
            tags = {"pipeline": "printer", "printer": f"p{number:02}", "switch": switch}
            points.append(Result("score", tags, BEGIN_NS, {"severity": severity}))
            if number < count:
                fields: Any = {"end_ms": BEGIN_NS // 1_000_000 + 590_000, "state": state, "reason": "hotend"}
                fields |= {"peak_severity": severity}
                points.append(Result("period", tags, BEGIN_NS + number * SECOND, fields))
        self._influxd.client.write([line(point) for point in points], "anomaly")

    def look(self, seconds: int = 0) -> None:
        """Look ten minutes after the begin, or this much later."""
        self.watch.look([PIPELINE], set(), BEGIN_NS + (next(self._seconds) + seconds) * SECOND)

    def incidents(self) -> list[dict[str, Any]]:
        """Return the points of the measurement."""
        return [
            {**dict(zip(chunk.columns, row, strict=True)), **chunk.tags}
            for chunk in self._influxd.client.query('SELECT * FROM "incident" GROUP BY "incident", "topic"', "anomaly")
            for row in chunk.rows
        ]


@pytest.fixture
def stack(kapacitord: Callable[..., Kapacitord], influxd: Influxd, receiver: AlertReceiver) -> Stack:
    return Stack(influxd, kapacitord(port=free_port()), receiver)


def test_forty_periods_are_told_once_when_it_gets_worse_and_when_it_is_over(
    stack: Stack, receiver: AlertReceiver
) -> None:
    def told(count: int, seconds: int = 0) -> None:
        # A task that has just started misses what is handed to it, and the next look repeats that.
        def looked() -> bool:
            stack.look(seconds)
            return len(receiver.bodies) >= count

        wait_until(looked, f"{count} messages")

    stack.store(11, 80.0)
    told(1)
    stack.addresses = Addresses("https://grafana.example/", "https://console.example/")
    stack.restart_keeper()
    stack.store(11, 90.0)
    told(2)
    stack.kapacitor.stop()
    stack.store(11, 100.0)
    with pytest.raises(KapacitorClientError):
        stack.look()
    stack.restart_keeper()
    stack.kapacitor.start()
    told(3)
    stack.kapacitor.stop()
    stack.store(11, 100.0, "closed")
    with pytest.raises(KapacitorClientError):
        stack.look(600)
    stack.kapacitor.start()
    told(4, 600)
    stack.look(600)

    assert [body["level"] for body in receiver.bodies] == ["INFO", "WARNING", "CRITICAL", "OK"]
    assert {body["id"] for body in receiver.bodies} == {"pipeline=printer,printer=p00,switch=sw3 incident"}
    begun = "begun by pipeline=printer,printer=p00,switch=sw3 because of hotend: 11 series of printer (11)"
    first, *_, last = [body["message"] for body in receiver.bodies]
    assert first.startswith(
        f"INFO incident since 2024-01-01 00:00:00 UTC, {begun}, peak severity 80.0: once in 251 days; "
        "switch=sw3 in 9 of 11 series https://grafana.example/d/anomaly-overview-"
    )
    assert last.startswith(
        f"OK incident over, from 2024-01-01 00:00:00 UTC for 9m50s, {begun}, peak severity 100.0: once in 27 "
        "years or more rarely; switch=sw3 in 9 of 11 series https://console.example/period?"
        f"pipeline=printer&series=printer%3Dp00&series=switch%3Dsw3&begin={BEGIN_NS}"
    )
    (point,) = stack.incidents()
    assert {name: point[name] for name in ("time", "incident", "topic", "state", "level", "series", "shared")} == {
        "time": BEGIN_NS,
        "incident": "pipeline=printer,printer=p00,switch=sw3",
        "topic": "stack",
        "state": "closed",
        "level": "CRITICAL",
        "series": 11,
        "shared": "switch=sw3 in 9 of 11 series",
    }
    stack.kapacitor.assert_healthy()
