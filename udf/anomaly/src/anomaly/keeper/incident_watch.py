"""Reads periods, writes incidents into the results, and tells them on a topic of Kapacitor's.

The topic remembers what was told, over restarts of Kapacitor as well. So each look compares the levels that the topic
has with those that the incidents have, and hands Kapacitor a point where they differ: nothing is told twice, and what
Kapacitor missed while it was down is told when it is back. The task `incidents.tick` makes alerts of these points.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from anomaly.grafana.stack_dashboards import stack_uid
from anomaly.influxdb.client import InfluxClient
from anomaly.influxdb.influxql import literal
from anomaly.influxdb.lines import line
from anomaly.keeper.incidents import (
    LEAST_SERIES,
    LEVELS,
    Identity,
    Incident,
    Incidents,
    Population,
    Report,
    SeenPeriod,
    incident_text,
    shared_text,
)
from anomaly.keeper.kapacitor import KapacitorClient
from anomaly.nanoseconds import DAY_NS, HOUR_NS, MS_NS, SECOND_NS
from anomaly.pipeline import Pipeline
from anomaly.pipeline.calendars import QUIET
from anomaly.pipeline.links import NO_ADDRESSES, Addresses, base, period_link
from anomaly.scoring.periods import NO_DATA
from anomaly.scoring.results import Fields, Result
from anomaly.windows.calendar_times import CalendarTimes

# How often periods are read.
_EVERY_NS = 10 * SECOND_NS
# Periods that began this long ago are read, or this many windows ago.
_REACH_NS = 6 * HOUR_NS
_REACH_WINDOWS = 4
# The oldest period that is read, and how many are read in one look.
_LONGEST_NS = 30 * DAY_NS
_MOST_PERIODS = 20_000
# An open period of which no window was anomalous for longer than its pipeline lets pass, and for this long, is over.
_FORGOTTEN_NS = HOUR_NS
# How often the series of a pipeline are counted, how many at most, and since when they must have had a score.
_COUNT_NS = 600 * SECOND_NS
_MOST_SERIES = 20_000
_SCORED_NS = HOUR_NS
_SCORED_WINDOWS = 20
# A link shows this much beside the incident.
_BESIDE_NS = HOUR_NS
MEASUREMENT = "incident"
# The retention policy that the points for Kapacitor name. InfluxDB has none of this name, so nothing else feeds them.
POLICY = "incidents"


@dataclass(frozen=True, slots=True)
class IncidentSettings:
    """How incidents are told.

    Attributes:
        stack_name: the name of the stack, which is the topic of pipelines that name none.
        results_database: the database of the results.
        topic: the topic of Kapacitor's on which incidents are told; empty: they are written only.
        addresses: where browsers reach the pages that messages lead to.
    """

    stack_name: str
    results_database: str
    topic: str = ""
    addresses: Addresses = NO_ADDRESSES


@dataclass(slots=True)
class IncidentWatch:
    """The incidents of the pipelines of one Kapacitor.

    Attributes:
        influx: InfluxDB, as a user who may read and write results.
        kapacitor: Kapacitor, as a user who may write points and read topics.
        settings: how incidents are told.
        say: gets each line for people.
        incidents: the incidents.
    """

    influx: InfluxClient
    kapacitor: KapacitorClient
    settings: IncidentSettings
    say: Callable[[str], None]
    incidents: Incidents = field(default_factory=Incidents)
    _looked_ns: int = 0
    _written: dict[Identity, str] = field(default_factory=dict)
    _populations: dict[str, tuple[int, Population]] = field(default_factory=dict)
    _calendars: dict[str, tuple[Pipeline, CalendarTimes]] = field(default_factory=dict)
    _is_full: bool = False

    def look(self, pipelines: Sequence[Pipeline], unknown: Set[str], now_ns: int, *, can_tell: bool = True) -> None:
        """Look once, if that is due.

        Args:
            pipelines: the pipelines of this Kapacitor.
            unknown: the names of pipelines of which nobody knows how they are: their open periods stay open.
            now_ns: the time now.
            can_tell: whether Kapacitor answers, as far as is known.

        Raises:
            InfluxClientError: InfluxDB cannot be asked, or refused.
            KapacitorClientError: Kapacitor cannot be asked, or refused.
        """
        # A clock that was set back must not end the looks.
        if abs(now_ns - self._looked_ns) < _EVERY_NS:
            return
        by_name = {pipeline.name: pipeline for pipeline in pipelines}
        longest_ns = max((pipeline.window_ns for pipeline in pipelines), default=0)
        reach_ns = max(_REACH_NS, _REACH_WINDOWS * longest_ns)
        reports = self.incidents.look(self._periods(by_name, unknown, now_ns, reach_ns), now_ns, reach_ns)
        texts: dict[Identity, str] = {}
        firsts: dict[Identity, SeenPeriod] = {}
        lines = []
        for report in reports:
            if not report.periods:
                continue
            result = self._result(report, by_name, now_ns)
            identity = report.incident.identity
            texts[identity] = str(result.fields["text"])
            firsts[identity] = report.periods[0]
            text = line(result)
            if self._written.get(identity) != text:
                lines.append(text)
                self._written[identity] = text
        if lines:
            try:
                self.influx.write(lines, self.settings.results_database)
            except BaseException:
                self._written = {}
                raise
        kept = {incident.identity for incident in self.incidents.kept}
        self._written = {identity: text for identity, text in self._written.items() if identity in kept}
        if can_tell:
            self._tell(texts, firsts, now_ns)
        self._looked_ns = now_ns

    def _periods(
        self, pipelines: Mapping[str, Pipeline], unknown: Set[str], now_ns: int, reach_ns: int
    ) -> Iterator[SeenPeriod]:
        first_ns = max(self.incidents.begin_ns(now_ns, reach_ns), now_ns - _LONGEST_NS)
        query = (
            'SELECT "end_ms", "state", "peak_severity", "reason", "_limit" FROM "period"'
            f" WHERE time >= {first_ns} AND time <= {now_ns} GROUP BY *"
        )
        read = 0
        for chunk in self.influx.query(query, self.settings.results_database):
            pipeline = pipelines.get(chunk.tags.get("pipeline", ""))
            if pipeline is None:
                continue
            forgotten_ns = _lasting_ns(pipeline) + _FORGOTTEN_NS
            tags = tuple(sorted((tag, value) for tag, value in chunk.tags.items() if value and tag != "pipeline"))
            for begin_ns, end_ms, state, severity, reason, is_beyond_limit in chunk.rows:
                # Silences have alerts of their own.
                if end_ms is None or severity is None or reason in (None, NO_DATA):
                    continue
                read += 1
                if read > _MOST_PERIODS:
                    self._say_full()
                    return
                end_ns = int(end_ms) * MS_NS
                yield SeenPeriod(
                    pipeline=pipeline.name,
                    tags=tags,
                    topic=self._topic(pipeline),
                    begin_ns=int(begin_ns),
                    end_ns=end_ns,
                    is_open=state == "open" and (pipeline.name in unknown or now_ns - end_ns <= forgotten_ns),
                    severity=float(severity),
                    reason=str(reason),
                    level=self._level(pipeline, float(severity), end_ns, now_ns),
                    is_beyond_limit=bool(is_beyond_limit),
                )
        self._is_full = False

    def _say_full(self) -> None:
        if not self._is_full:
            self._is_full = True
            self.say(
                f"more than {_MOST_PERIODS} periods are recent: incidents leave out the others. Raise periods.open of "
                "the pipelines that have most of them"
            )

    def _topic(self, pipeline: Pipeline) -> str:
        return pipeline.alerts.topic or self.settings.stack_name

    def _level(self, pipeline: Pipeline, severity: float, end_ns: int, now_ns: int) -> int:
        """Return the rank of the level of a period's alert, 0 where nobody is told of it now."""
        alerts = pipeline.alerts
        if "period" not in alerts.kinds or now_ns - end_ns > alerts.age_ns + _lasting_ns(pipeline):
            return 0
        rank = sum(severity >= least for least in (alerts.info, alerts.warning, alerts.critical))
        return 0 if rank and self._is_quiet(pipeline, now_ns) else rank

    def _is_quiet(self, pipeline: Pipeline, now_ns: int) -> bool:
        """Return whether a calendar of a pipeline says that nobody is told of what becomes known now."""
        known, times = self._calendars.get(pipeline.name, (None, None))
        if times is None or known != pipeline:
            times = CalendarTimes(pipeline)
            self._calendars[pipeline.name] = pipeline, times
        return bool(times.meet(QUIET, np.array([now_ns]), 1)[0])

    def _result(self, report: Report, pipelines: Mapping[str, Pipeline], now_ns: int) -> Result:
        incident = report.incident
        counts = Counter(period.pipeline for period in report.series.values())
        # Few series have nothing in common that chance would not give them.
        are_many = len(report.series) >= LEAST_SERIES
        populations = {name: self._population(pipelines[name], now_ns) for name in counts} if are_many else {}
        shared = shared_text(report, populations)
        fields: Fields = {
            "begin_ms": min(incident.begin_ns, report.periods[0].begin_ns) // MS_NS,
            "end_ms": incident.end_ns // MS_NS,
            "state": "open" if incident.is_open else "closed",
            "level": LEVELS[incident.level],
            "periods": len(report.periods),
            "series": len(report.series),
            "pipelines": ", ".join(f"{name} ({count})" for name, count in counts.most_common()),
            "began": report.periods[0].series,
            "peak_severity": incident.peak,
            "shared": shared,
            "text": incident_text(report, shared),
        }
        tags = {"incident": incident.founder, "topic": incident.topic}
        return Result(MEASUREMENT, tags, incident.begin_ns, fields)

    def _population(self, pipeline: Pipeline, now_ns: int) -> Population:
        """Return the series of a pipeline that had a score of late, counted lately."""
        counted_ns, population = self._populations.get(pipeline.name, (0, None))
        if population is not None and abs(now_ns - counted_ns) < _COUNT_NS:
            return population
        since_ns = now_ns - max(_SCORED_NS, _SCORED_WINDOWS * pipeline.window_ns)
        query = (
            f'SELECT last("severity") FROM "score" WHERE "pipeline" = {literal(pipeline.name)} AND time > {since_ns}'
            " GROUP BY *"
        )
        values: Counter[str] = Counter()
        series = 0
        for chunk in self.influx.query(query, self.settings.results_database):
            series += 1
            values.update(f"{tag}={value}" for tag, value in chunk.tags.items() if value and tag != "pipeline")
            if series >= _MOST_SERIES:
                break
        population = Population(series, values)
        self._populations[pipeline.name] = now_ns, population
        return population

    def _tell(self, texts: Mapping[Identity, str], firsts: Mapping[Identity, SeenPeriod], now_ns: int) -> None:
        """Hand Kapacitor the incidents of which its topic has another level."""
        if not self.settings.topic:
            return
        levels = self.kapacitor.levels(self.settings.topic)
        lines = []
        known = set()
        # Where a series has founded several, an open one counts, and the worst of these.
        ordered = sorted(self.incidents.kept, key=lambda kept: (kept.is_open, kept.level, kept.begin_ns))
        for incident in {each.founder: each for each in ordered if self._is_told(each.topic)}.values():
            alert = f"{incident.founder} incident"
            known.add(alert)
            before, after = LEVELS.index(levels.get(alert, "OK")), LEVELS.index(incident.told_level)
            # A level only rises while the incident is open.
            if after > before or (before and not after and not incident.is_open):
                text = texts.get(incident.identity, "incident over: none of its periods is in the results any more")
                link = self._link(incident, firsts.get(incident.identity))
                lines.append(_point(incident.founder, after, f"{text}{link}", incident.begin_ns))
        for alert in sorted(levels.keys() - known):
            if levels[alert] != "OK":
                founder = alert.removesuffix(" incident")
                lines.append(_point(founder, 0, f"incident over: {founder} is not followed any more", now_ns))
        if lines:
            self.kapacitor.write(lines, self.settings.results_database, POLICY)

    def _is_told(self, topic: str) -> bool:
        """Return whether incidents of a topic's pipelines are told: those of other topics are other people's."""
        return topic == self.settings.stack_name

    def _link(self, incident: Incident, first: SeenPeriod | None) -> str:
        """Return a space and an address: the console's page of the first period, or Grafana's overview at that time."""
        addresses = self.settings.addresses
        if addresses.console:
            if first is None:
                return f" {base(addresses.console)}/"
            return period_link(addresses, first.pipeline, dict(first.tags), first.begin_ns)
        if not addresses.grafana:
            return ""
        end_ns = max(incident.end_ns, incident.begin_ns)
        from_ms, to_ms = (incident.begin_ns - _BESIDE_NS) // MS_NS, (end_ns + _BESIDE_NS) // MS_NS
        overview = f"{base(addresses.grafana)}/d/{stack_uid(self.settings.stack_name, 'overview')}"
        return f" {overview}/?from={from_ms}&to={to_ms}"

    def state(self) -> list[dict[str, Any]]:
        """Return what must outlive the process, as JSON."""
        return self.incidents.state()

    def restore(self, state: Sequence[Mapping[str, Any]]) -> None:
        """Go on with the incidents of an earlier process.

        Raises:
            TypeError: the state is not of this layout.
        """
        self.incidents.restore(state)


def _point(founder: str, level: int, text: str, time_ns: int) -> str:
    """Return the point that raises or ends the alert of an incident."""
    return line(Result(MEASUREMENT, {"incident": founder}, time_ns, {"level": level, "text": text}))


def _lasting_ns(pipeline: Pipeline) -> int:
    """Return how long after its last anomalous window an open period may still be open."""
    return pipeline.periods.merge_ns + 2 * pipeline.window_ns + pipeline.lateness_ns
