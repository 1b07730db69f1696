"""What people were told, against the periods of the undisturbed run.

Alerts are Kapacitor's: it tells of what it scores itself, and of nothing that a catch-up found. So a period must have
been told if nothing was broken from its begin until it was over, at the levels of the undisturbed run, and its
all-clear must come after its end. No period may be told twice, but for what Kapacitor had told without having kept that
when it was killed. No alert may be of a period that the undisturbed run does not have; where something was broken, it
may begin later than that period, because a UDF that was away tells it from where it is back.
"""

import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from anomaly.influxdb.times import TimeRange
from anomaly.nanoseconds import MS_NS
from anomaly.pipeline.specification import Alerts
from tests.faults.undisturbed import Place

_OK = "OK"
_KEEPING_NS = 1_000_000_000


@dataclass(frozen=True, slots=True)
class Alert:
    """One message.

    Attributes:
        place: the series that it is about, and the begin of the period that it tells.
        level: `OK`, `INFO`, `WARNING` or `CRITICAL`.
        over_ns: of an all-clear the end of the period as the alert knows it, or a later time; 0 of others.
    """

    place: Place
    level: str
    over_ns: int = 0


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
            time_ns = round(seconds * 1_000) * MS_NS
            over_ns = max(time_ns, _end_ns(alert)) if alert["level"] == _OK else 0
            alerts.append(Alert((name, time_ns), alert["level"], over_ns))
    return alerts


def _end_ns(alert: Mapping[str, Any]) -> int:
    """Return the end that the result has which made the alert; 0 if that is a score."""
    (series,) = alert["data"]["series"]
    fields = dict(zip(series["columns"], series["values"][0], strict=True))
    return int(fields["end_ms"]) * MS_NS


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


def end_of(fields: Mapping[str, Any]) -> int:
    """Return the end of a period, whose fields are given, in nanoseconds."""
    return int(fields["end_ms"]) * MS_NS


def calm(periods: Mapping[Place, Mapping[str, Any]], broken: Sequence[TimeRange], margin_ns: int) -> set[Place]:
    """Return the periods that are over, and during which nothing was broken.

    Args:
        periods: the fields of periods.
        broken: the stretches of time in which something was.
        margin_ns: how long after its end a period is over.
    """
    places = set()
    for place, fields in periods.items():
        end_ns = end_of(fields) + margin_ns
        if fields["state"] == "closed" and all(end_ns < each.begin_ns or place[1] > each.end_ns for each in broken):
            places.add(place)
    return places


def untold(alerts: Iterable[Alert], places: Iterable[Place]) -> set[Place]:
    """Return the periods among these that nobody was told of."""
    return set(places) - {alert.place for alert in alerts if alert.level != _OK}


def stray(
    alerts: Iterable[Alert],
    periods: Mapping[Place, Mapping[str, Any]],
    broken: Sequence[TimeRange],
    window_ns: int,
) -> set[Place]:
    """Return what was told and belongs to no period of the undisturbed run, by its time or by its series.

    Args:
        alerts: the alerts.
        periods: the fields of the periods of the undisturbed run.
        broken: the stretches of time in which something was broken. What begins in one need only lie in a period, or
            begin one window before it, as a window was scored from a part of its points.
        window_ns: the length of a window.
    """
    places = set()
    for alert in alerts:
        name, begin_ns = alert.place
        if alert.level == _OK or alert.place in periods:
            continue
        was_broken = any(each.begin_ns - window_ns <= begin_ns <= each.end_ns for each in broken)
        lies_in_one = any(
            place[0] == name and place[1] - window_ns <= begin_ns < end_of(fields) for place, fields in periods.items()
        )
        if not (was_broken and lies_in_one):
            places.add(alert.place)
    return places


def levels(peaks: Iterable[float], limits: Alerts) -> list[str]:
    """Return the levels that a period is told at, one after the other.

    Args:
        peaks: its highest severity after each of its windows.
        limits: from which severity each level is told.
    """
    rising = (("INFO", limits.info), ("WARNING", limits.warning), ("CRITICAL", limits.critical))
    reached = [[level for level, limit in rising if peak >= limit] for peak in peaks]
    return list(dict.fromkeys(each[-1] for each in reached if each))


def told_at_other_levels(alerts: Iterable[Alert], expected: Mapping[Place, list[str]]) -> set[Place]:
    """Return the periods that were told at other levels, or in another order of them.

    Args:
        alerts: the alerts.
        expected: the levels of periods; one that nobody was told of is not judged.
    """
    told: dict[Place, list[str]] = {}
    for alert in alerts:
        if alert.level != _OK:
            told.setdefault(alert.place, []).append(alert.level)
    return {place for place, right in expected.items() if place in told and told[place] != right}


def without_all_clear(alerts: Sequence[Alert], ends_ns: Mapping[Place, int]) -> set[Place]:
    """Return the periods that were told and after whose end no all-clear came, or another alert came first.

    Args:
        alerts: the alerts in their order.
        ends_ns: the ends of periods; one that nobody was told of is not judged.
    """
    last: dict[Place, int] = {alert.place: at for at, alert in enumerate(alerts) if alert.level != _OK}
    places = set()
    for place, end_ns in ends_ns.items():
        if place not in last:
            continue
        follows = next((alert for alert in alerts[last[place] + 1 :] if alert.place[0] == place[0]), None)
        if follows is None or follows.level != _OK or follows.over_ns < end_ns:
            places.add(place)
    return places
