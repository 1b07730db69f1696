"""Incidents: periods that overlap in time and share a pipeline or a tag's value are one incident. The logic is pure.

A switch that fails makes forty series anomalous, and people want to hear of it once. The rules:

- A period joins the oldest incident of its topic that is open, that it overlaps, and with which it shares a pipeline or
  a value of a tag. It overlaps an incident if it begins before the incident's last end, and ends after its begin, both
  with `_CALM_NS` to spare. Otherwise it begins an incident of its own.
- Nothing joins an incident later than `_GATHERED_NS` after its begin, so that one series that is broken for days does
  not hide the next fault.
- An incident is over when none of its periods has been open for `_CALM_NS`. It is never opened again.
- A period stays in its incident, whatever becomes known later. The incident keeps the place where it was founded
  (`founder` and `begin_ns`), even if an earlier period joins it.
- A storm is bounded: while a topic has `_MOST_OPEN` open incidents, further periods join the youngest of them.

Neither the order of the periods nor the number of looks changes the result. `Incidents.state` outlives the process.
"""

import hashlib
import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from anomaly.nanoseconds import HOUR_NS, SECOND_NS
from anomaly.scoring.wording import duration_text, moment_text, plain
from anomaly.severity.rarity import once_in

_CALM_NS = 300 * SECOND_NS
_GATHERED_NS = 6 * HOUR_NS
_MOST_OPEN = 20
# Incidents that are remembered; beyond it the oldest of those that are over are forgotten.
_MOST_KEPT = 200
# Periods of an incident that are remembered. Those of a larger one are assigned anew at each look.
_MOST_MEMBERS = 5_000
_MOST_OF_A_NAME = 200
# A tag's value is named if it is in this share of the series at least, and if that is this rare by chance.
_LEAST_SHARE = 0.2
LEAST_SERIES = 3
_CHANCE = 0.01
_MOST_SHARED = 3
_MOST_PIPELINES = 3

# The levels of alerts, by rank.
LEVELS = ("OK", "INFO", "WARNING", "CRITICAL")
# The topic and the founder of an incident, and its begin.
Identity = tuple[str, str, int]


@dataclass(frozen=True, slots=True)
class SeenPeriod:
    """A period as the results show it.

    Attributes:
        pipeline: the name of its pipeline.
        tags: the names and values of its series' tags, in the order of the names.
        topic: the topic of alerts of its pipeline.
        begin_ns: its begin.
        end_ns: its end, as far as it is known.
        is_open: whether it goes on.
        severity: its peak severity, 0 to 100.
        reason: why it was opened.
        level: the rank in LEVELS of what people may be told of it now; 0 if they are told nothing.
        is_beyond_limit: whether the reason is a limit, which says nothing of how rare it is.
    """

    pipeline: str
    tags: tuple[tuple[str, str], ...]
    topic: str
    begin_ns: int
    end_ns: int
    is_open: bool
    severity: float
    reason: str
    level: int
    is_beyond_limit: bool = False

    @property
    def series(self) -> str:
        """The name of its series, as alerts have it."""
        return ",".join(f"{tag}={value}" for tag, value in sorted([("pipeline", self.pipeline), *self.tags]))

    @property
    def shared(self) -> frozenset[str]:
        """What it may share with others: its pipeline, and the values of its tags."""
        return frozenset([f"pipeline={self.pipeline}", *(f"{tag}={value}" for tag, value in self.tags if value)])

    @property
    def key(self) -> str:
        """A short name of the period, which is the same in each process."""
        return hashlib.sha1(f"{self.begin_ns} {self.series}".encode(), usedforsecurity=False).hexdigest()[:16]


@dataclass(slots=True)
class Incident:
    """One incident, as it is known so far.

    Attributes:
        founder: the name of the series that it was founded with; with `begin_ns` and `topic` it is its identity.
        topic: the topic of alerts of its pipelines.
        begin_ns: the begin of the period that it was founded with.
        end_ns: the last end of its periods.
        is_open: whether it goes on.
        level: the highest rank in LEVELS that people may be told.
        peak: the highest severity of its periods.
        members: the keys of its periods.
    """

    founder: str
    topic: str
    begin_ns: int
    end_ns: int
    is_open: bool = True
    level: int = 0
    peak: float = 0.0
    members: list[str] = field(default_factory=list)

    @property
    def identity(self) -> Identity:
        """What tells it from all other incidents."""
        return self.topic, self.founder, self.begin_ns

    @property
    def told_level(self) -> str:
        """The level of its alert."""
        return LEVELS[self.level if self.is_open else 0]


@dataclass(frozen=True, slots=True)
class Population:
    """The series of a pipeline.

    Attributes:
        series: how many there are.
        values: how many of them have each tag's value, such as `switch=sw3`.
    """

    series: int
    values: Mapping[str, int]


@dataclass(slots=True)
class _Gathering:
    """An incident with its periods in one look."""

    incident: Incident
    known: frozenset[str]
    begin_ns: int
    until_ns: int
    periods: list[SeenPeriod] = field(default_factory=list)
    shared: set[str] = field(default_factory=set)

    def add(self, period: SeenPeriod, now_ns: int) -> None:
        self.periods.append(period)
        self.shared |= period.shared
        self.begin_ns = min(self.begin_ns, period.begin_ns)
        self.until_ns = max(self.until_ns, _until_ns(period, now_ns))

    def takes(self, period: SeenPeriod, now_ns: int) -> bool:
        """Return whether a period that is in no incident yet belongs here."""
        incident = self.incident
        return (
            incident.topic == period.topic
            and (incident.is_open or _until_ns(period, now_ns) <= now_ns)
            and period.begin_ns <= min(self.until_ns, incident.begin_ns + _GATHERED_NS)
            and _until_ns(period, now_ns) >= self.begin_ns
            and not self.shared.isdisjoint(period.shared)
        )


@dataclass(frozen=True, slots=True)
class Report:
    """An incident with what is known of its periods in one look.

    Attributes:
        incident: the incident.
        periods: its periods, those that began first before the others.
    """

    incident: Incident
    periods: Sequence[SeenPeriod]

    @property
    def series(self) -> Mapping[str, SeenPeriod]:
        """The first period of each series, by the series' name."""
        first: dict[str, SeenPeriod] = {}
        for period in self.periods:
            first.setdefault(period.series, period)
        return first


class Incidents:
    """The incidents of a stack.

    Attributes:
        kept: the incidents that are open, or were open lately.
    """

    def __init__(self) -> None:
        self.kept: list[Incident] = []

    def look(self, periods: Iterable[SeenPeriod], now_ns: int, reach_ns: int = _GATHERED_NS) -> list[Report]:
        """Take into account what the periods are now.

        Args:
            periods: all periods that began lately, or are in an open incident, in any order.
            now_ns: the time now.
            reach_ns: what has been over for longer is forgotten.

        Returns:
            The incidents with their periods, in the order in which they began.
        """
        gatherings = [
            _Gathering(incident, frozenset(incident.members), incident.begin_ns, incident.begin_ns)
            for incident in sorted(self.kept, key=lambda kept: (kept.begin_ns, kept.topic, kept.founder))
        ]
        homes = {key: gathering for gathering in gatherings for key in gathering.known}
        ordered = sorted(set(periods), key=lambda period: (period.begin_ns, period.series, period.end_ns))
        strangers = []
        for period in ordered:
            home = homes.get(period.key)
            if home is not None:
                home.add(period, now_ns)
            elif _until_ns(period, now_ns) >= now_ns - reach_ns:
                strangers.append(period)
        for period in strangers:
            self._place(period, gatherings, now_ns)
        for gathering in gatherings:
            _update(gathering, now_ns)
        incidents = [gathering.incident for gathering in gatherings]
        self.kept = _remembered(
            [each for each in incidents if each.is_open or each.end_ns + _CALM_NS >= now_ns - reach_ns]
        )
        return [
            Report(gathering.incident, sorted(gathering.periods, key=lambda period: (period.begin_ns, period.series)))
            for gathering in gatherings
        ]

    def begin_ns(self, now_ns: int, reach_ns: int) -> int:
        """Return from when on periods are to be read: a time ago, or the begin of what is open.

        Args:
            now_ns: the time now.
            reach_ns: how long ago.
        """
        begins = [incident.begin_ns - reach_ns for incident in self.kept if incident.is_open]
        return min([now_ns - reach_ns, *begins])

    def state(self) -> list[dict[str, Any]]:
        """Return what must outlive the process, as JSON."""
        return [asdict(incident) for incident in self.kept]

    def restore(self, state: Sequence[Mapping[str, Any]]) -> None:
        """Go on with the incidents of an earlier process.

        Raises:
            TypeError: the state is not of this layout.
        """
        self.kept = [Incident(**incident) for incident in state]

    def _place(self, period: SeenPeriod, gatherings: list[_Gathering], now_ns: int) -> None:
        home = next((gathering for gathering in gatherings if gathering.takes(period, now_ns)), None)
        is_open = _until_ns(period, now_ns) > now_ns
        if home is None and is_open:
            crowd = [each for each in gatherings if each.incident.is_open and each.incident.topic == period.topic]
            home = crowd[-1] if len(crowd) >= _MOST_OPEN else None
        if home is None:
            incident = Incident(_name(period.series), period.topic, period.begin_ns, period.end_ns, is_open)
            home = _Gathering(incident, frozenset(), period.begin_ns, period.begin_ns)
            gatherings.append(home)
        home.add(period, now_ns)


def _until_ns(period: SeenPeriod, now_ns: int) -> int:
    """Return until when what begins overlaps a period."""
    return (max(now_ns, period.end_ns) if period.is_open else period.end_ns) + _CALM_NS


def _update(gathering: _Gathering, now_ns: int) -> None:
    incident, periods = gathering.incident, gathering.periods
    incident.end_ns = max([incident.end_ns, *(period.end_ns for period in periods)])
    incident.peak = max([incident.peak, *(period.severity for period in periods)])
    if incident.is_open:
        incident.level = max([incident.level, *(period.level for period in periods)])
        incident.is_open = any(_until_ns(period, now_ns) > now_ns for period in periods)
    fresh = [period.key for period in periods if period.key not in gathering.known]
    if fresh:
        incident.members = [*incident.members, *fresh][:_MOST_MEMBERS]


def _remembered(incidents: Sequence[Incident]) -> list[Incident]:
    """Return the incidents that are open, and the youngest of the others."""
    over = [incident for incident in incidents if not incident.is_open]
    dropped = {id(incident) for incident in over[: max(len(incidents) - _MOST_KEPT, 0)]}
    return [incident for incident in incidents if id(incident) not in dropped]


def _name(series: str) -> str:
    """Return the name of a series as a tag's value that anything can show: bounded, without what begins markup."""
    name = plain(series, _MOST_OF_A_NAME).replace("\\", "/")
    if name == series:
        return name
    return f"{name} {hashlib.sha1(series.encode(), usedforsecurity=False).hexdigest()[:8]}"


def shared_values(report: Report, populations: Mapping[str, Population]) -> list[tuple[str, int]]:
    """Return the values of tags that are over-represented among the series of an incident, the rarest first.

    A value is over-represented if as many of the pipelines' series, drawn by chance, would have it that often in less
    than one of a hundred cases (the tail of the hypergeometric distribution, Bonferroni's correction for the number of
    values).

    Args:
        report: the incident.
        populations: the series of each pipeline, by its name; pipelines that are not there are left out.

    Returns:
        Each value, such as `switch=sw3`, with the number of the incident's series that have it.
    """
    series = [period for period in report.series.values() if period.pipeline in populations]
    chosen = [populations[name] for name in sorted({period.pipeline for period in series})]
    everybody = max(sum(population.series for population in chosen), len(series))
    counts = Counter(f"{tag}={value}" for period in series for tag, value in period.tags if value)
    least = max(LEAST_SERIES, math.ceil(_LEAST_SHARE * len(series)))
    frequent = {value: count for value, count in counts.items() if count >= least}
    candidates = []
    for value, count in sorted(frequent.items()):
        having = max(sum(population.values.get(value, 0) for population in chosen), count)
        chance = _tail(count, len(series), having, max(everybody, having))
        if chance * len(frequent) <= _CHANCE:
            candidates.append((chance, -count, value))
    return [(value, -count) for _, count, value in sorted(candidates)[:_MOST_SHARED]]


def _tail(count: int, drawn: int, having: int, everybody: int) -> float:
    """Return how likely `count` or more of `drawn` series have what `having` of all series have."""

    def choices(of: int, some: int) -> float:
        return math.lgamma(of + 1) - math.lgamma(some + 1) - math.lgamma(of - some + 1)

    all_choices = choices(everybody, drawn)
    first = max(count, drawn - (everybody - having))
    likely = (
        choices(having, some) + choices(everybody - having, drawn - some) - all_choices
        for some in range(first, min(having, drawn) + 1)
    )
    return min(sum(math.exp(each) for each in likely), 1.0)


def shared_text(report: Report, populations: Mapping[str, Population]) -> str:
    """Return the over-represented values for people, such as `switch=sw3 in 9 of 11 series`; empty without any."""
    total = len(report.series)
    return ", ".join(
        f"{plain(value, _MOST_OF_A_NAME)} in {count} of {total} series"
        for value, count in shared_values(report, populations)
    )


def incident_text(report: Report, shared: str) -> str:
    """Say for people what began an incident, how many series of which pipelines it has, and how bad it is.

    Args:
        report: the incident, with one period at least.
        shared: what `shared_text` returned.
    """
    incident, first = report.incident, report.periods[0]
    begin_ns = min(incident.begin_ns, first.begin_ns)
    lasted = duration_text(incident.end_ns - begin_ns)
    when = f"since {moment_text(begin_ns)}" if incident.is_open else f"over, from {moment_text(begin_ns)} for {lasted}"
    counts = Counter(period.pipeline for period in report.series.values()).most_common()
    named = [f"{pipeline} ({count})" for pipeline, count in counts[:_MOST_PIPELINES]]
    if len(counts) > _MOST_PIPELINES:
        named.append(f"{len(counts) - _MOST_PIPELINES} other pipelines")
    begun = f"begun by {plain(first.series, 80)} because of {plain(first.reason, 60)}"
    worst = max(report.periods, key=lambda period: period.severity)
    rare = f"peak severity {incident.peak:.1f}"
    if not worst.is_beyond_limit:
        rare += f": once in {once_in(incident.peak)}{' or more rarely' if incident.peak >= 100.0 else ''}"
    text = f"incident {when}, {begun}: {len(report.series)} series of {', '.join(named)}, {rare}"
    return plain(f"{text}; {shared}" if shared else text)
