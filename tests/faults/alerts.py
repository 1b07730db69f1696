"""What people were told, against the periods of the undisturbed run.

Alerts are Kapacitor's: it tells of what it scores itself, and of nothing that a catch-up found. So a period must have
been told if nothing was broken from its begin until it was over. No period may be told twice, but for what Kapacitor
had told without having kept that when it was killed.
"""

import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from anomaly.influxdb.times import TimeRange
from tests.faults.undisturbed import Place

_OK = "OK"
_KEEPING_NS = 1_000_000_000


@dataclass(frozen=True, slots=True)
class Alert:
    """One message.

    Attributes:
        place: the series that it is about, and the begin of the period that it tells.
        level: `OK`, `INFO`, `WARNING` or `CRITICAL`.
    """

    place: Place
    level: str


def read_alerts(path: Path) -> list[Alert]:
    """Read the alerts of periods that a handler of the kind `log` wrote; none if it wrote no file."""
    if not path.exists():
        return []
    alerts = []
    for line in path.read_text(encoding="utf-8").splitlines():
        alert: dict[str, Any] = json.loads(line)
        series, _, kind = str(alert["id"]).rpartition(" ")
        if kind == "period":
            # The id names the pipeline and then the tag that the pipeline groups by.
            name = series.rpartition("=")[2]
            seconds = datetime.fromisoformat(alert["time"]).timestamp()
            alerts.append(Alert((name, round(seconds * 1_000) * 1_000_000), alert["level"]))
    return alerts


def told_twice(alerts: Iterable[Alert], unkept: Iterable[Alert] = ()) -> set[Place]:
    """Return the periods that were told more than once at one level.

    Args:
        alerts: all alerts.
        unkept: the alerts that may come once more, once for each time that they are in here.
    """
    counts = Counter(alert for alert in alerts if alert.level != _OK)
    most = Counter(unkept)
    return {alert.place for alert, count in counts.items() if count > 1 + most[alert]}


def on_its_way(path: Path, killed_ns: int) -> list[Alert]:
    """Return the alert that Kapacitor was telling when it was killed, as far as the file of alerts says; or none.

    Kapacitor tells an alert before it keeps the alert's level, which a host that is busy delays.

    Args:
        path: the file that `read_alerts` reads.
        killed_ns: when Kapacitor was killed.
    """
    if not path.exists() or path.stat().st_mtime_ns < killed_ns - _KEEPING_NS:
        return []
    return read_alerts(path)[-1:]


def under_way(alerts: Sequence[Alert]) -> list[Alert]:
    """Return the alerts of periods that are not over: those that come again where Kapacitor's database is lost."""
    last = {alert.place[0]: alert for alert in alerts}
    places = {alert.place for alert in last.values() if alert.level != _OK}
    return list(dict.fromkeys(alert for alert in alerts if alert.place in places))


def calm(periods: Mapping[Place, Mapping[str, Any]], broken: Sequence[TimeRange], margin_ns: int) -> set[Place]:
    """Return the periods that are over, and during which nothing was broken.

    Args:
        periods: the fields of periods.
        broken: the stretches of time in which something was.
        margin_ns: how long after its end a period is over.
    """
    places = set()
    for place, fields in periods.items():
        end_ns = int(fields["end_ms"]) * 1_000_000 + margin_ns
        if fields["state"] == "closed" and all(end_ns < each.begin_ns or place[1] > each.end_ns for each in broken):
            places.add(place)
    return places


def untold(alerts: Iterable[Alert], places: Iterable[Place]) -> set[Place]:
    """Return the periods among these that nobody was told of."""
    return set(places) - {alert.place for alert in alerts if alert.level != _OK}
