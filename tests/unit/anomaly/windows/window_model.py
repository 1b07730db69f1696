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


@dataclass
class ModelWindow:
    """A closed window: the aggregates of its points, as the reference computes them."""

    number: int
    begin: int
    values: list[float | None]
    counts: list[int]
    points: int
    replaced: int


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
                closed.append(self._window(number, begin, series.open.pop(begin)))
                series.held.discard(begin)
                series.closed = begin + self.settings.window_ns
        return sorted(closed, key=lambda window: (window.begin, window.number))

    def _due(self, series: SeriesModel, everything: bool) -> set[int]:
        if not series.open or series.newest is None:
            return set()
        if everything:
            return set(series.open)
        watermark = series.newest
        if series.lag is not None and series.seen is not None and series.arrived is not None:
            if series.lag <= self.settings.live_ns:
                watermark += self.clock - series.seen
            elif self.clock - series.arrived >= self.settings.idle_ns:
                return set(series.open)
        reached = {
            begin for begin in series.open if begin + self.settings.window_ns + self.settings.lateness_ns <= watermark
        }
        return reached if reached - series.held else set()

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
        )
