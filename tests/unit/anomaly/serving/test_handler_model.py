"""The whole UDF against a model of time: whatever arrives when, each window is scored once, or named, or counted.

Hypothesis makes up a run: series that begin and end, points out of order, late, from the future, too old, twice or in
part, a clock that stands still, leaps and goes back, processes that end or are killed, and states that are lost. What
InfluxDB stores of it and a slow model of the life of windows say what has to come of it:

- Scores are those of a batch over the points that the UDF had, within 1e-9, each window once.
- A window whose score is made of other points than InfluxDB has is named in `late`, so a catch-up mends it.
- Every point is in a window or counted under a reason, and every closed window is scored or counted.
- A period and a notice open before they close, close once, and none stays open where a series is forgotten.
- A window that a process has closed is not closed again by the next one, also where the state is older.
- A live series that falls silent is told while its silence lasts.
"""

import copy
import math
import shutil
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, precondition, rule, run_state_machine_as_test

from anomaly.locations import MODELS_VARIABLE, STATE_VARIABLE
from anomaly.models.model import Model
from anomaly.models.store import Store
from anomaly.pipeline import Pipeline, canonical_json, normalize
from anomaly.scoring.events import EventCounter
from anomaly.scoring.periods import NO_DATA
from anomaly.scoring.results import results
from anomaly.scoring.scorer import Scorer
from anomaly.serving.closing_file import ClosingFile, sign
from anomaly.serving.handler import AnomalyHandler
from anomaly.serving.udf import declaration
from anomaly.training.fit import train
from anomaly.windows.arrays import NEVER, Key
from anomaly.windows.assembler import Settings
from anomaly.windows.series import SeriesWindows
from kapacitor_udf import Point
from kapacitor_udf.testing import Harness
from tests.unit.anomaly import printers
from tests.unit.anomaly.printers import FIELDS, WINDOW_NS
from tests.unit.anomaly.windows.reference import aggregate, collect
from tests.unit.anomaly.windows.window_model import Arrival, ModelWindow, WindowModel

SECOND_NS = 1_000_000_000
DAY_NS = 86_400 * SECOND_NS
T0 = 1_700_000_000 * SECOND_NS
LATENESS_NS = 10 * SECOND_NS
FUTURE_NS = 60 * SECOND_NS
SILENCE_NS = 30 * SECOND_NS
SNAPSHOT_EVERY_S = 30.0
# A series that training has seen, another one, and one that is new.
SERIES = ("printer-1", "printer-2", "new")
SAMPLES = printers.clean(7, 600)
# What is wrong with the second printer's bed for a part of each ten minutes.
OFF, OFF_S = 8.0, range(200, 260)

Place = tuple[str, int]


def settings_of(pipeline: Pipeline) -> Settings:
    """How windows close by what docs/architecture.md says."""
    return Settings(
        window_ns=pipeline.window_ns,
        lateness_ns=pipeline.lateness_ns,
        future_ns=pipeline.future_ns,
        fields=len(pipeline.fields),
        aggregates=pipeline.aggregate,
        idle_ns=pipeline.window_ns + pipeline.lateness_ns,
        oldest_ns=7 * DAY_NS,
        fill_ns=pipeline.fill.bound_ns,
    )


@dataclass
class Memory:
    """What a process knows, and what it has said: a restart goes on with that of the state's time.

    Attributes:
        windows: the model of the open windows.
        closed: the closed windows of each series, in their order.
        scores: what was said of each window.
        states: the states of each period and notice, by what it is and its begin, in their order.
    """

    windows: WindowModel
    closed: dict[str, list[ModelWindow]] = field(default_factory=lambda: defaultdict(list))
    scores: dict[Place, list[dict[str, Any]]] = field(default_factory=lambda: defaultdict(list))
    states: dict[tuple[str, int], list[str]] = field(default_factory=lambda: defaultdict(list))


class Process(Harness[Any]):
    """A process of the UDF, on clocks that the test sets."""

    def __init__(self, pipeline: Pipeline, clocks: "Clocks", restore: bytes | None) -> None:
        served = declaration()
        served.handler = lambda context: AnomalyHandler(context, lambda: clocks.steady_s, lambda: clocks.now_ns)
        super().__init__(served, {"spec": canonical_json(pipeline)}, restore=restore, strict=False)


@dataclass
class Clocks:
    """The host's clock, and the one that never goes back."""

    now_ns: int = T0
    steady_s: float = 0.0

    def go_on(self, by_ns: int) -> None:
        self.now_ns += by_ns
        self.steady_s += max(by_ns, 0) / SECOND_NS


class Run(RuleBasedStateMachine):
    """A pipeline, its writers, InfluxDB and Kapacitor.

    Attributes:
        model: what scores; set by the test.
        folder: where the state is; set by the test.
    """

    model: Model
    folder: Path

    def __init__(self) -> None:
        super().__init__()
        shutil.rmtree(self.folder, ignore_errors=True)
        self.folder.mkdir()
        self.pipeline = self.model.pipeline
        self.clocks = Clocks()
        # What InfluxDB has: of each series, all points in the order in which they were written.
        self.stored: dict[str, list[Arrival]] = defaultdict(list)
        # Windows that hold points of which nobody is told by window; and windows named in `late`.
        self.refused: set[Place] = set()
        self.named: set[Place] = set()
        # The window that the last score of each place was made of.
        self.scored_by: dict[Place, ModelWindow] = {}
        # When Kapacitor asked for a snapshot, which one it has, and what is in the file of the state.
        self.asked_s = 0.0
        self.snapshot: bytes | None = None
        self.saved = self.memory = self.cold()
        self.begin(None)

    def cold(self) -> Memory:
        return Memory(WindowModel(settings_of(self.pipeline)))

    def begin(self, restore: bytes | None) -> None:
        """Begin a process."""
        self.process = Process(self.pipeline, self.clocks, restore)
        self.points_in = self.closed_windows = 0
        self.late_before = len(self.memory.windows.late)
        self.refused_before = self.memory.windows.future, self.memory.windows.too_old

    # What happens.

    @rule(seconds=st.sampled_from([3, 20, 45, 100]), writers=st.sets(st.sampled_from(SERIES), min_size=1))
    def write(self, seconds: int, writers: set[str]) -> None:
        """Some series write a point a second, which arrives at once."""
        self.live(seconds, sorted(writers), [0], is_read=True)

    @rule(
        seconds=st.integers(5, 60),
        writers=st.sets(st.sampled_from(SERIES), min_size=1),
        delays=st.lists(st.sampled_from([0, 1, 4, 9, 12, 25]), min_size=2, max_size=7),
    )
    def write_out_of_order(self, seconds: int, writers: set[str], delays: list[int]) -> None:
        """Some series write a point a second, which takes a while to arrive, so that others overtake it."""
        self.live(seconds, sorted(writers), delays, is_read=True)

    @rule(
        series=st.sampled_from(SERIES),
        age_s=st.sampled_from([0, 5, 15, 40, 200, 3_600, 86_400]),
        count=st.integers(1, 40),
        order=st.sampled_from(["forward", "backward", "odd first"]),
    )
    def burst(self, series: str, age_s: int, count: int, order: str) -> None:
        """Points of one series arrive at once: a backlog, or an import of history."""
        seconds = list(range(count))
        if order == "backward":
            seconds.reverse()
        elif order == "odd first":
            seconds = seconds[1::2] + seconds[::2]
        begin_ns = self.clocks.now_ns - age_s * SECOND_NS
        self.feed([self.made(series, begin_ns - (count - second) * SECOND_NS) for second in seconds])

    @rule(
        series=st.sampled_from(SERIES),
        ahead_s=st.sampled_from([3, 30, 59, 61, 600, 10 * 365 * 86_400, -8 * 86_400]),
    )
    def stray(self, series: str, ahead_s: int) -> None:
        """A point of another time arrives: of the future, or of long ago."""
        self.feed([self.made(series, self.clocks.now_ns + ahead_s * SECOND_NS)])

    @rule(series=st.sampled_from(SERIES), back_s=st.integers(0, 30), tag=st.integers(0, 1), lacks=st.integers(0, 3))
    def again(self, series: str, back_s: int, tag: int, lacks: int) -> None:
        """A point is written once more with other values, by the same source or another one, perhaps in part."""
        number, time, _, values = self.made(series, self.clocks.now_ns - back_s * SECOND_NS)
        other = tuple(None if place == lacks else value + 0.125 for place, value in enumerate(values) if value)
        self.feed([(number, time, tag, other)])

    @rule(seconds=st.integers(1, 90))
    def wait(self, seconds: int) -> None:
        """Nobody writes."""
        self.live(seconds, [], [0], is_read=True)

    @rule(by_s=st.sampled_from([-20, -2, 3, 100, 4_000]))
    def leap(self, by_s: int) -> None:
        """The host sleeps, or its clock is set."""
        self.clocks.go_on(by_s * SECOND_NS)
        self.look()

    @rule()
    def ask_for_a_snapshot(self) -> None:
        """Kapacitor asks for a snapshot."""
        self.asked_s = self.clocks.steady_s
        snapshot = self.process.snapshot()
        if snapshot:
            self.snapshot, self.saved = snapshot, copy.deepcopy(self.memory)

    # Until its first snapshot nobody knows that there was a process; Kapacitor asks for one within two minutes.
    @precondition(lambda self: self.snapshot is not None)
    @rule(
        writers=st.sets(st.sampled_from(SERIES)),
        unsaved_s=st.sampled_from([0, 3, 14, 26]),
        is_killed=st.sampled_from([False, False, True]),
        lost_s=st.sampled_from([0, 2, 4, 11, 75]),
        later_s=st.sampled_from([0, 14, 23]),
        # An import over a restart: test_the_window_in_which_an_import_was_interrupted_at_its_begin_is_named.
        behind_s=st.just(0),
        damage=st.sampled_from([None, None, None, "gone", "cut off"]),
    )
    def restart(
        self,
        writers: set[str],
        unsaved_s: int,
        is_killed: bool,
        lost_s: int,
        later_s: int,
        behind_s: int,
        damage: str | None,
    ) -> None:
        """The process ends, or is killed, while some series write; another one begins, whether or not there is a state.

        Args:
            writers: who writes.
            unsaved_s: how long they write before, since Kapacitor asked for a snapshot or anything else happened.
            is_killed: whether the process could not write its state.
            lost_s: how many seconds pass without a process.
            later_s: how long they go on when the next one has begun.
            behind_s: how old their points are: an import of history is not live.
            damage: what becomes of the file of the state.
        """
        self.live(unsaved_s, sorted(writers), [0], is_read=True, behind_s=behind_s)
        self.look()
        self.check_process()
        file = self.folder / f"{self.pipeline.name}.npz"
        if not is_killed:
            before_ns = file.stat().st_mtime_ns if file.exists() else None
            self.process.close()
            # A process that ends does not write a state that takes long, as on a busy machine.
            if file.exists() and file.stat().st_mtime_ns != before_ns:
                self.saved = copy.deepcopy(self.memory)
        self.live(lost_s, sorted(writers), [0], is_read=False, behind_s=behind_s)
        if damage == "gone":
            file.unlink(missing_ok=True)
        elif damage == "cut off" and file.exists():
            file.write_bytes(file.read_bytes()[:-200])
        if damage is not None:
            self.saved = self.cold()
        killed, self.memory = self.memory, copy.deepcopy(self.saved)
        self.memory.windows.restart()
        self.pass_over(killed)
        self.begin(self.snapshot)
        self.live(later_s, sorted(writers), [0], is_read=True, behind_s=behind_s)

    def pass_over(self, killed: Memory) -> None:
        """Leave out the windows that the process before has closed since its last state, by what it noted of them."""
        numbers = list(self.memory.windows.series)
        signs = [sign((SERIES[number],)) for number in numbers]
        ends = ClosingFile(self.folder, self.pipeline.name).read(signs, self.clocks.now_ns + FUTURE_NS)
        for number, end in zip(numbers, ends.tolist(), strict=True):
            if end != NEVER:
                closed = killed.windows.series[number].closed
                assert closed is not None
                assert end <= closed, SERIES[number]
                self.memory.windows.pass_over(number, end)

    def teardown(self) -> None:
        """Let everything come to its end, and check it."""
        # The last windows may be those of points that are ahead of the clock, or filled.
        last_ns = FUTURE_NS + LATENESS_NS + 2 * WINDOW_NS + self.pipeline.fill.bound_ns
        self.live((last_ns + SILENCE_NS + 4 * WINDOW_NS) // SECOND_NS, [], [0], is_read=True)
        self.check_silence()
        self.check_process()
        self.check_points()
        self.clocks.go_on(self.pipeline.forget_ns + DAY_NS)
        self.take(self.process.tick())
        still_open = [period for period, states in self.memory.states.items() if states[-1] != "closed"]
        assert not still_open
        assert not self.process.counters.errors, self.process.log

    # How it happens.

    def made(self, series: str, time_ns: int) -> Arrival:
        """The point of a series at a time."""
        second = time_ns // SECOND_NS % len(SAMPLES)
        off = OFF if series == SERIES[1] and second in OFF_S else 0.0
        hotend, bed, air = SAMPLES[second].tolist()
        return SERIES.index(series), time_ns, 0, (hotend, bed + off, air)

    def live(
        self, seconds: int, writers: Sequence[str], delays: Sequence[int], *, is_read: bool, behind_s: int = 0
    ) -> None:
        """Let time go on second by second, with a point of each writer; nobody reads it while no process runs.

        Args:
            seconds: how long.
            writers: who writes.
            delays: after how many seconds each point arrives, in turn.
            is_read: whether a process runs.
            behind_s: how old the points are when they are written.
        """
        arriving: dict[int, list[Arrival]] = defaultdict(list)
        number = 0
        for second in range(1, seconds + 1):
            self.clocks.go_on(SECOND_NS)
            for series in writers:
                delay = delays[number % len(delays)]
                arriving[second + delay].append(self.made(series, self.clocks.now_ns - behind_s * SECOND_NS))
                number += 1
            self.arrive(arriving.pop(second, []), is_read=is_read)
        # What is under way comes together, once the last writer is done.
        self.arrive([point for second in sorted(arriving) for point in arriving[second]], is_read=is_read)

    def arrive(self, points: list[Arrival], *, is_read: bool) -> None:
        if not is_read:
            self.lose(points)
            return
        if points:
            self.feed(points)
        self.look()
        if self.clocks.steady_s - self.asked_s >= SNAPSHOT_EVERY_S:
            self.ask_for_a_snapshot()

    def store(self, points: list[Arrival]) -> None:
        for point in points:
            self.stored[SERIES[point[0]]].append(point)

    def lose(self, points: list[Arrival]) -> None:
        """Hand points to InfluxDB only, as no process runs: nobody knows that some of them are late."""
        self.store(points)
        for number, time, _, _ in points:
            series = self.memory.windows.series.get(number)
            if series is not None and series.closed is not None and time < series.closed:
                self.refused.add((SERIES[number], time // WINDOW_NS * WINDOW_NS))

    def feed(self, points: list[Arrival]) -> None:
        """Hand points to InfluxDB and to the UDF."""
        self.store(points)
        self.points_in += len(points)
        self.note_refused(points)
        self.memory.windows.add(points, self.clocks.now_ns)
        self.close_windows()
        self.take(
            self.process.feed(
                Point(
                    name="temperature",
                    time=time,
                    tags={"printer": SERIES[number], **({"head": str(tag)} if tag else {})},
                    fields={name: value for name, value in zip(FIELDS, values, strict=True) if value is not None},
                )
                for number, time, tag, values in points
            )
        )

    def note_refused(self, points: list[Arrival]) -> None:
        """Note the windows of points that the UDF does not take, and that no catch-up is asked to look at."""
        for number, time, _, _ in points:
            if not -7 * DAY_NS <= time - self.clocks.now_ns <= FUTURE_NS:
                self.refused.add((SERIES[number], time // WINDOW_NS * WINDOW_NS))

    def look(self) -> None:
        """Let the UDF look at the clock."""
        self.close_windows()
        self.take(self.process.tick())

    def close_windows(self) -> None:
        """Let the model close the windows whose time has come."""
        closed = self.memory.windows.close(self.clocks.now_ns)
        self.closed_windows += len(closed)
        for window in closed:
            self.memory.closed[SERIES[window.number]].append(window)

    def take(self, said: list[Point]) -> None:
        """Take note of what the UDF said."""
        for point in said:
            series = point.tags.get("printer", "")
            place = series, point.time
            if point.name == "score":
                self.memory.scores[place].append(dict(point.fields))
                window = next(each for each in self.memory.closed[series] if each.begin == point.time)
                self.scored_by[place] = window
                is_old = point.time + WINDOW_NS < self.clocks.now_ns - self.pipeline.alerts.age_ns
                assert bool(point.fields.get("history")) is is_old
            elif point.name == "late":
                self.named.add(place)
            elif point.name in ("period", "notice"):
                self.take_state(point)

    def take_state(self, point: Point) -> None:
        """Take note of a period or a notice: it opens before it is closed, and is closed once."""
        kind = point.tags.get("notice", "")
        is_silence = point.fields.get("reason") == NO_DATA
        what = f"{point.name} {kind}{NO_DATA if is_silence else ''} {point.tags.get('printer', '')}"
        states = self.memory.states[what, point.time]
        state = str(point.fields["state"])
        assert "closed" not in states, (what, states)
        # A silence that nobody told while it lasted is told when it is over.
        assert state == "open" or states or is_silence, (what, states)
        states.append(state)
        together = [begin for (name, begin), each in self.memory.states.items() if name == what and each[-1] == "open"]
        assert len(together) <= 1, (what, together)

    # What has to be true.

    def check_process(self) -> None:
        """Scores are those of a batch, and the counts of this process add up."""
        scorer = Scorer(self.pipeline, EventCounter("", lambda message: None))
        for series in SERIES:
            expected = dict(self.batch(scorer, series, self.memory.closed[series]))
            said = {begin: scores for (name, begin), scores in self.memory.scores.items() if name == series}
            assert said.keys() == expected.keys(), (series, said.keys() ^ expected.keys())
            for begin, (score, *more) in said.items():
                assert not more, (series, begin)
                assert_same(score, expected[begin])
        (metrics,) = self.process.metrics()
        counts: Counter[str] = Counter(
            {name: int(value) for name, value in metrics.fields.items() if isinstance(value, int)}
        )
        windows, late = self.memory.windows, self.memory.windows.late[self.late_before :]
        future, too_old = self.refused_before
        assert counts["points_in"] == self.points_in
        assert counts["late_points"] == len(late)
        assert counts["future_points"] == windows.future - future
        assert counts["too_old_points"] == windows.too_old - too_old
        assert counts["open_points"] == sum(
            len(points) for one in windows.series.values() for points in one.open.values()
        )
        assert (
            counts["scored_windows"] + counts["incomplete_windows"] + counts["cut_off_windows"] == self.closed_windows
        )
        assert {(SERIES[number], begin) for number, begin in late} <= self.named

    def batch(self, scorer: Scorer, series: str, closed: Sequence[ModelWindow]) -> Iterator[tuple[int, dict[str, Any]]]:
        """Return the scores of a batch over windows, by their begins."""
        if not closed:
            return
        key: Key = (series,)
        windows = SeriesWindows(
            key,
            np.array([window.begin for window in closed], dtype=np.int64),
            np.array([[math.nan if v is None else v for v in window.values] for window in closed]),
            np.array([window.counts for window in closed], dtype=np.float64),
        )
        for scored in scorer.feed(self.model, windows):
            score, *_ = results(self.pipeline, key, scored)
            yield scored.begin_ns, score.fields

    def check_points(self) -> None:
        """A score that is made of other points than InfluxDB has is named, so that a catch-up mends it."""
        if self.pipeline.fill.bound_ns:
            # What stands in a window depends on those before it.
            return
        for place, window in self.scored_by.items():
            series, begin = place
            if place in self.named or place in self.refused:
                continue
            values, counts = self.of_stored(series, begin)
            assert window.counts == counts, place
            np.testing.assert_allclose(
                [math.nan if value is None else value for value in window.values], values, rtol=1e-9, err_msg=str(place)
            )

    def of_stored(self, series: str, begin: int) -> tuple[list[float], list[int]]:
        """What InfluxDB says of a window: its aggregates, NaN for null, and the number of points of each field."""
        window = collect(
            (
                (time, {"tag": str(tag)}, dict(zip(FIELDS, values, strict=True)))
                for _, time, tag, values in self.stored[series]
            ),
            FIELDS,
            begin,
            begin + WINDOW_NS,
        )
        samples = [window.samples.get(name, []) for name in FIELDS]
        values = [aggregate(each, function) for each in samples for function in self.pipeline.aggregate]
        return [math.nan if value is None else value for value in values], [len(each) for each in samples]

    def check_silence(self) -> None:
        """Each live series that was scored is silent by now, and somebody was told."""
        for number, model in self.memory.windows.series.items():
            series = SERIES[number]
            is_live = model.lag is not None and model.lag <= self.memory.windows.settings.live_ns
            is_scored = any(name == series for name, _ in self.memory.scores)
            told = {
                begin: each[-1]
                for (what, begin), each in self.memory.states.items()
                if what == f"period {NO_DATA} {series}"
            }
            if is_live and is_scored:
                assert told, series
                assert told[max(told)] == "open", series


def assert_same(said: dict[str, Any], expected: dict[str, Any]) -> None:
    said = {name: value for name, value in said.items() if name != "history"}
    assert said.keys() == expected.keys()
    for name, value in expected.items():
        same = pytest.approx(value, rel=1e-9, abs=1e-9) if isinstance(value, float) else value
        assert said[name] == same, name


def made(**more: Any) -> Model:
    """A model of the default detector, which remembers."""
    (pipeline,) = normalize(
        [
            {
                **printers.PIPELINE.as_dict(),
                "detector": "ensemble",
                "parameters": {"trees": 20},
                "lateness": f"{LATENESS_NS // SECOND_NS}s",
                "future": f"{FUTURE_NS // SECOND_NS}s",
                "periods": {"silence": f"{SILENCE_NS // SECOND_NS}s"},
                **more,
            }
        ]
    )
    history = printers.windows(printers.clean(1, 6_000), printers.clean(2, 6_000))
    return train(pipeline, history, "v1", seed=0).model


@pytest.mark.parametrize("more", [{}, {"fill": {"previous": "40s"}}], ids=["as it comes", "filled"])
def test_whatever_comes_each_window_is_scored_once_or_named_or_counted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, more: dict[str, Any]
) -> None:
    model = made(**more)
    store = Store(tmp_path / "models", model.pipeline.name)
    store.write(model)
    store.promote(model.version)
    monkeypatch.setattr(Store, "load", lambda *arguments: model)
    # Columns for many series take most of a short run.
    monkeypatch.setattr("anomaly.scoring.scorer.MOST_SERIES", 100)
    monkeypatch.setenv(MODELS_VARIABLE, str(store.models))
    monkeypatch.setenv(STATE_VARIABLE, str(tmp_path / "state"))
    run = type("Run", (Run,), {"model": model, "folder": tmp_path / "state"})
    run_state_machine_as_test(
        run,
        settings=settings(
            max_examples=12,
            derandomize=True,
            database=None,
            stateful_step_count=20,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
