"""A model of the life of windows: slow, with dictionaries and lists, and obviously right."""

from dataclasses import dataclass, field

from anomaly.windows.assembler import Settings
from tests.unit.anomaly.windows.reference import aggregate, collect

# A point: series, time in nanoseconds, number of its other tags, values (None where a field is missing).
Arrival = tuple[int, int, int, tuple[float | None, ...]]


@dataclass
class SeriesModel:
    """What is known of one series."""

    open: dict[int, list[Arrival]] = field(default_factory=dict)
    held: set[int] = field(default_factory=set)
    newest: int | None = None
    seen: int | None = None
    lag: int | None = None
    arrived: int | None = None
    closed: int | None = None
    # The last value of each field that has had one, and the begin of its window.
    standing: dict[int, tuple[int, float]] = field(default_factory=dict)


@dataclass
class ModelWindow:
    """A closed window: the aggregates of its points, as the reference computes them."""

    number: int
    begin: int
    values: list[float | None]
    counts: list[int]
    points: int
    replaced: int
    # The last value of each field that has points.
    last: dict[int, float]


class WindowModel:
    """Takes points one by one, by the sentences of the assembler's docstring."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.series: dict[int, SeriesModel] = {}
        self.future = self.too_old = self.taken = 0
        self.late: list[tuple[int, int]] = []
        self.host: int | None = None
        self.clock = 0

    def go_on(self, now: int | None) -> None:
        """The time between two calls counts as at most a step."""
        if now is not None:
            if self.host is not None:
                self.clock += min(max(now - self.host, 0), self.settings.step_ns)
            self.host = now

    def restart(self) -> None:
        """The time until the next call does not count."""
        self.host = None

    def pass_over(self, number: int, end: int) -> None:
        """An earlier process has closed the windows of a series up to here."""
        series = self.series[number]
        if series.closed is None or series.closed < end:
            series.closed = end
            series.open = {begin: points for begin, points in series.open.items() if begin >= end}
            series.held = {begin for begin in series.held if begin >= end}

    def add(self, points: list[Arrival], now: int | None) -> None:
        """Points that arrive together are judged by what was known before them."""
        self.go_on(now)
        closed = {number: series.closed for number, series in self.series.items()}
        oldest = {number: min(series.open) for number, series in self.series.items() if series.open}
        for point in points:
            number, time, _, _ = point
            reference = oldest.get(number, closed.get(number))
            known = closed.get(number)
            begin = time // self.settings.window_ns * self.settings.window_ns
            if now is not None and time > now + self.settings.future_ns:
                self.future += 1
            elif reference is not None and time < reference - self.settings.oldest_ns:
                self.too_old += 1
            elif known is not None and time < known:
                self.late.append((number, begin))
                if now is not None:
                    self.series[number].arrived = self.clock
            else:
                self.taken += 1
                self._take(self.series.setdefault(number, SeriesModel()), point, begin, now)

    def _take(self, series: SeriesModel, point: Arrival, begin: int, now: int | None) -> None:
        time = point[1]
        end = begin + self.settings.window_ns
        series.open.setdefault(begin, []).append(point)
        if series.newest is not None and end + self.settings.lateness_ns <= series.newest:
            # A straggler: what is behind the watermark waits for its neighbours.
            series.held |= {
                other
                for other in series.open
                if other + self.settings.window_ns + self.settings.lateness_ns <= series.newest
            }
        plausible = time if now is None else min(time, now)
        if series.newest is None or plausible > series.newest:
            series.newest, series.seen = plausible, self.clock
            series.lag = None if now is None else now - plausible
        series.arrived = None if now is None else self.clock

    def close(self, now: int | None, everything: bool = False) -> list[ModelWindow]:
        """All windows whose time has come, by begin and then by series."""
        self.go_on(now)
        closed = []
        for number, series in self.series.items():
            for begin in sorted(self._due(series, everything)):
                if begin in series.open or self._stand(series, begin):
                    closed.append(self._window(number, begin, series.open.pop(begin, [])))
                    self._fill(series, closed[-1])
                    series.held.discard(begin)
                    series.closed = begin + self.settings.window_ns
        return sorted(closed, key=lambda window: (window.begin, window.number))

    def _due(self, series: SeriesModel, everything: bool) -> set[int]:
        """The windows whose time has come, with or without points."""
        if series.newest is None:
            return set()
        last = max(series.open, default=None)
        watermark = series.newest
        if series.lag is not None and series.seen is not None and series.arrived is not None:
            if series.lag <= self.settings.live_ns:
                watermark += self.clock - series.seen
            elif self.clock - series.arrived >= self.settings.idle_ns:
                everything = True
        if everything:
            return set() if last is None else self._up_to(series, last)
        reached = (watermark - self.settings.lateness_ns) // self.settings.window_ns * self.settings.window_ns
        due = self._up_to(series, reached - self.settings.window_ns)
        waiting = series.held | {begin for begin in due if begin not in series.open}
        is_filled = series.closed in due and self._stand(series, series.closed)
        return due if due - waiting or is_filled else set()

    def _up_to(self, series: SeriesModel, last: int) -> set[int]:
        """The windows that have not closed, up to the one that begins at `last`, whether they have points or not."""
        begins = [begin for begin in series.open if begin <= last]
        if series.closed is not None and self.settings.fill_ns:
            begins += range(series.closed, last + 1, self.settings.window_ns)
        if begins and self.settings.fill_ns:
            begins += range(min(begins), last + 1, self.settings.window_ns)
        return set(begins)

    def _stand(self, series: SeriesModel, begin: int) -> dict[int, float]:
        """The last value of each field that still stands in a window."""
        return {
            place: value for place, (since, value) in series.standing.items() if begin - since <= self.settings.fill_ns
        }

    def _fill(self, series: SeriesModel, window: ModelWindow) -> None:
        if not self.settings.fill_ns:
            return
        names = self.settings.aggregates
        for place, value in self._stand(series, window.begin).items():
            if not window.counts[place]:
                of_standing = {"stddev": 0.0, "spread": 0.0, "count": 1.0}
                window.values[place * len(names) : (place + 1) * len(names)] = [
                    of_standing.get(name, value) for name in names
                ]
        for place, value in window.last.items():
            series.standing[place] = (window.begin, value)

    def _window(self, number: int, begin: int, points: list[Arrival]) -> ModelWindow:
        fields = [str(place) for place in range(self.settings.fields)]
        window = collect(
            ((time, {"tag": str(tag)}, dict(zip(fields, values, strict=True))) for _, time, tag, values in points),
            fields,
            begin,
            begin + self.settings.window_ns,
        )
        return ModelWindow(
            number,
            begin,
            [
                aggregate(window.samples.get(name, []), function)
                for name in fields
                for function in self.settings.aggregates
            ],
            [len(window.samples.get(name, [])) for name in fields],
            len(points),
            len(points) - len({(time, tag) for _, time, tag, _ in points}),
            {
                place: float(max(window.samples[name])[1])
                for place, name in enumerate(fields)
                if window.samples.get(name)
            },
        )
