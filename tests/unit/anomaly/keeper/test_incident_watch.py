"""What the keeper reads of periods, what it writes of incidents, and what it hands Kapacitor, on stand-ins of both."""

import time
from collections.abc import Iterator
from typing import Any

import pytest

from anomaly.influxdb.client import InfluxClient, InfluxClientError
from anomaly.keeper import incident_watch
from anomaly.keeper.incident_watch import IncidentSettings, IncidentWatch
from anomaly.keeper.kapacitor import KapacitorClient, KapacitorClientError
from anomaly.pipeline import Pipeline, normalize
from tests.unit.anomaly.influxdb_double import InfluxDB, series
from tests.unit.anomaly.keeper.kapacitor_double import Kapacitor, serve
from tests.unit.anomaly.printers import PIPELINE

SECOND = 1_000_000_000
MINUTE = 60 * SECOND
# A Monday, 12:00 UTC.
NOW = 1_704_110_400 * SECOND
COLUMNS = ["time", "end_ms", "state", "peak_severity", "reason", "_limit"]


@pytest.fixture
def api() -> Iterator[Kapacitor]:
    with serve(Kapacitor()) as api:
        yield api


class Stand:
    """The watch, what it reads and what it says."""

    def __init__(self, influxdb: InfluxDB, api: Kapacitor) -> None:
        self.influxdb = influxdb
        self.api = api
        self.said: list[str] = []
        influxdb.databases = ["anomaly"]
        settings = IncidentSettings("stack", "anomaly", "stack-incidents")
        influx = InfluxClient(influxdb.url, "reader", "secret")
        self.watch = IncidentWatch(influx, KapacitorClient(api.url), settings, self.said.append)

    def store(self, *periods: list[Any], **tags: str) -> None:
        """Let InfluxDB have these periods of a series: begin, end in ms, state, peak severity, reason."""
        tags = {"pipeline": PIPELINE.name, "printer": "p1", "rack": "", **tags}
        self.influxdb.periods.append(series("period", COLUMNS, list(periods), tags))

    def look(
        self, pipeline: Pipeline = PIPELINE, now_ns: int = NOW, unknown: frozenset[str] = frozenset()
    ) -> list[str]:
        """Look; return the points that Kapacitor got."""
        before = len(self.api.asked)
        self.watch.look([pipeline], unknown, now_ns)
        return [asked[1] for method, _, asked in self.api.asked[before:] if method == "POST"]

    @property
    def incidents(self) -> list[dict[str, Any]]:
        """The fields of the incidents that were written."""
        return [fields for (measurement, *_), fields in self.influxdb.points.items() if measurement == "incident"]


@pytest.fixture
def stand(influxdb: InfluxDB, api: Kapacitor) -> Stand:
    return Stand(influxdb, api)


def row(severity: float = 90.0, state: str = "open", reason: str = "hotend", ago_s: int = 60) -> list[Any]:
    return [NOW - ago_s * SECOND, (NOW - 10 * SECOND) // 1_000_000, state, severity, reason, None]


def test_an_incident_is_written_and_handed_to_kapacitor_until_its_topic_has_the_level(stand: Stand) -> None:
    stand.store(row())
    (point,) = stand.look()
    assert point.startswith('incident,incident=pipeline\\=printer\\,printer\\=p1 level=2i,text="incident since ')
    (parameters, _) = stand.api.asked[-1][2]
    assert parameters == {"db": ["anomaly"], "rp": ["incidents"], "precision": ["ns"]}
    (fields,) = stand.incidents
    assert fields["state"] == "open"
    assert fields["series"] == 1

    # A look that comes too soon does nothing, and one that finds the topic as it should be hands nothing on.
    assert stand.look() == []
    stand.api.levels = {"pipeline=printer,printer=p1 incident": "WARNING"}
    assert stand.look(now_ns=NOW + 10 * SECOND) == []


def test_an_alert_of_an_incident_that_nobody_knows_any_more_is_ended(stand: Stand) -> None:
    stand.api.levels = {"pipeline=gone incident": "CRITICAL"}
    (point,) = stand.look()
    assert 'level=0i,text="incident over: pipeline=gone is not followed any more"' in point


def test_where_a_series_has_founded_two_incidents_the_open_one_is_told(stand: Stand) -> None:
    stand.store(row(100.0, ago_s=7 * 3600))
    stand.store(row(80.0), printer="p2")
    stand.look()
    first, second = stand.watch.incidents.kept
    second.founder, second.is_open, second.level = first.founder, False, 3
    stand.api.levels = {f"{first.founder} incident": "CRITICAL"}

    assert stand.look(now_ns=NOW + 10 * SECOND) == []


def test_nobody_is_told_while_kapacitor_is_away(stand: Stand) -> None:
    stand.store(row())
    stand.watch.look([PIPELINE], frozenset(), NOW, can_tell=False)
    assert stand.api.asked == []
    assert len(stand.incidents) == 1


def test_silences_and_other_peoples_pipelines_are_no_incidents(stand: Stand) -> None:
    stand.store(row(reason="no data"))
    stand.store(row(), pipeline="another")
    assert stand.look() == []
    assert stand.incidents == []


@pytest.mark.parametrize(
    ("changes", "severity"),
    [
        ({"alerts": {"info": 95}}, 90.0),
        ({"alerts": {"kinds": ["silence"]}}, 90.0),
        ({"alerts": {"topic": "workshop"}}, 90.0),
        ({"calendars": [{"means": "quiet", "begin": "2024-01-01T11:00", "lasts": "2h"}]}, 90.0),
    ],
    ids=["too little", "not this kind", "another topic", "quiet hours"],
)
def test_what_tells_nobody_is_written_all_the_same(stand: Stand, changes: dict[str, Any], severity: float) -> None:
    (pipeline,) = normalize([{**PIPELINE.as_dict(), **changes}])
    stand.store(row(severity))
    assert stand.look(pipeline) == []
    assert len(stand.incidents) == 1


def test_a_period_of_which_nobody_knows_how_it_is_goes_on(stand: Stand) -> None:
    stand.store(row())
    stand.look()
    later_ns = NOW + 3 * 3600 * SECOND
    stand.look(now_ns=later_ns, unknown=frozenset({PIPELINE.name}))
    assert [incident.is_open for incident in stand.watch.incidents.kept] == [True]
    stand.look(now_ns=later_ns + MINUTE)
    assert [incident.is_open for incident in stand.watch.incidents.kept] == [False]


def test_too_many_periods_are_said_once(stand: Stand, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(incident_watch, "_MOST_PERIODS", 2)
    stand.store(*(row(ago_s=60 + at) for at in range(3)))
    stand.look()
    stand.look(now_ns=NOW + 10 * SECOND)
    assert len(stand.said) == 1
    assert "more than 2 periods are recent" in stand.said[0]


def test_what_influxdb_does_not_take_is_written_again(stand: Stand) -> None:
    stand.store(row())
    stand.influxdb.databases = []
    with pytest.raises(InfluxClientError):
        stand.look()
    stand.influxdb.databases = ["anomaly"]
    stand.look()
    assert len(stand.incidents) == 1


def test_a_kapacitor_that_refuses_is_asked_again_at_the_next_look(stand: Stand) -> None:
    stand.store(row())
    stand.api.status, stand.api.body = 503, b"{}"
    with pytest.raises(KapacitorClientError):
        stand.look()
    stand.api.status, stand.api.body = 200, None
    assert len(stand.look()) == 1


def test_a_topic_that_is_not_there_yet_has_no_levels(api: Kapacitor) -> None:
    api.status, api.body = 404, b'{"error": "failed to get topic events: unknown topic \\"t\\""}'
    assert KapacitorClient(api.url).levels("t") == {}
    api.body = b'{"error": "something else"}'
    with pytest.raises(KapacitorClientError, match="something else"):
        KapacitorClient(api.url).levels("t")


def test_looking_at_ten_thousand_periods_takes_no_time(stand: Stand) -> None:
    for at in range(10_000):
        stand.store(row(), printer=f"p{at}")
    begun = time.process_time()
    stand.look()
    # A second is usual; a rule that compares each with each would take minutes.
    assert time.process_time() - begun < 60
    assert [incident.founder for incident in stand.watch.incidents.kept] == ["pipeline=printer,printer=p0"]
