"""A UDF that was killed, caught up with and handed the state: what it says later is what an undisturbed one says."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from anomaly.catchup.run import CaughtUp, GatheredStates, repair_span
from anomaly.influxdb.times import TimeRange
from anomaly.locations import HAND_OVER_VARIABLE, MODELS_VARIABLE, STATE_VARIABLE
from anomaly.models.model import Model
from anomaly.models.store import Store
from anomaly.pipeline import Pipeline, normalize
from anomaly.scoring.feedback import Feedback
from anomaly.scoring.hand_over import HandOverFolder
from anomaly.training.fit import train
from kapacitor_udf import Point
from tests.unit.anomaly import printers
from tests.unit.anomaly.printers import FIELDS, PIPELINE, WINDOW_NS
from tests.unit.anomaly.results_double import ResultsDouble
from tests.unit.anomaly.served import SECOND_NS, Served, punctual
from tests.unit.anomaly.serving.test_handler import T0

SECONDS = 300
# Seconds between two snapshots.
SNAPSHOTS = 30
NAMES = ("printer-1", "printer-2")
SAMPLES = [printers.clean(seed, SECONDS) for seed in (7, 8)]
# A fault that may begin, go on or end while nobody listens.
SAMPLES[0][70:130, 1] += 20 * 0.4
# How long before now a catch-up ends: lateness and two windows.
LAG = 2 * printers.WINDOW


class World:
    """The disk and the database of a UDF that may be killed, with a clock that goes on with the data.

    Attributes:
        pipeline: the pipeline.
        model: its model.
        database: what is stored.
        folder: holds states and hand-overs.
        hands_over: whether catch-ups hand the state over.
        handed: the seconds of the catch-ups that have handed over.
    """

    def __init__(self, model: Model, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.pipeline: Pipeline = punctual(model.pipeline)
        self.model = Model(
            model.version, self.pipeline, model.scaling, model.detector, model.calibration, model.reference
        )
        self.folder = folder
        self.hands_over = True
        self.handed: list[int] = []
        windows = printers.windows(*SAMPLES, begin_ns=T0)
        self.database = ResultsDouble(self.pipeline, printers.runs(windows))
        (folder / "state").mkdir(parents=True)
        store = Store(folder / "models", self.pipeline.name)
        store.write(self.model)
        store.promote(self.model.version)
        monkeypatch.setenv(MODELS_VARIABLE, str(folder / "models"))
        monkeypatch.setenv(STATE_VARIABLE, str(folder / "state"))
        monkeypatch.setenv(HAND_OVER_VARIABLE, str(folder / "hand_over"))

    def udf(self, second: int = 0, restore: bytes | None = None) -> Served:
        """Return a UDF that is started at a second."""
        return Served(self.model.pipeline, now_ns=T0 + second * SECOND_NS, restore=restore)

    def run(self, udf: Served, begin: int, end: int) -> None:
        """Let a UDF take the points of the seconds [begin, end), and keep what it writes."""
        points = [
            Point(
                time=T0 + second * SECOND_NS,
                fields=dict(zip(FIELDS, samples[second].tolist(), strict=True)),
                tags={"printer": name},
                name="temperature",
            )
            for second in range(begin, end)
            for name, samples in zip(NAMES, SAMPLES, strict=True)
        ]
        self.database.keep([*udf.points(points), *udf.at(T0 + end * SECOND_NS)])

    def live(self, lives: Sequence[tuple[int, int]], catch_ups: Collection[int]) -> Mapping[str, int]:
        """Let the UDF live, be killed, and live again; return the counts of its last life.

        Args:
            lives: the seconds [begin, end) of each life; Kapacitor asks for a snapshot each half a minute.
            catch_ups: the seconds at which somebody catches up.
        """
        state, snapshot, content = self.folder / "state" / "printer.npz", b"", b""
        counts: Mapping[str, int] = {}
        for (begin, end), until in zip(lives, [*(begin for begin, _ in lives[1:]), SECONDS + 1], strict=True):
            with self.udf(begin, snapshot or None) as udf:
                now = begin
                for stop in range(begin + 1, end + 1):
                    if stop % SNAPSHOTS and stop not in catch_ups and stop != end:
                        continue
                    self.run(udf, now, stop)
                    now = stop
                    if stop % SNAPSHOTS == 0:
                        snapshot, content = udf.snapshot(), state.read_bytes()
                    if stop in catch_ups:
                        self.catch_up(stop)
                counts = dict(udf.handler.events.counts)
            # A process that is killed writes nothing at its end.
            state.write_bytes(content) if content else state.unlink(missing_ok=True)
            for second in range(end + 1, until):
                if second in catch_ups:
                    self.catch_up(second)
        return counts

    def catch_up(self, second: int, stored: int | None = None) -> CaughtUp:
        """Catch up at a second, with the points before that second, or before another one, in the database."""
        end_ns = T0 + (second - LAG) // printers.WINDOW * WINDOW_NS
        self.database.until_ns = T0 + (second if stored is None else stored) // printers.WINDOW * WINDOW_NS
        folder = HandOverFolder(self.folder / "hand_over", self.pipeline.name)
        gathered = GatheredStates(self.pipeline, self.model, folder, print) if self.hands_over else None
        caught_up = repair_span(
            self.pipeline,
            self.database,
            lambda version: self.model,
            Feedback(self.pipeline),
            TimeRange(T0, end_ns),
            gathered=gathered,
        )
        if caught_up.handed_over:
            self.handed.append(second)
        return caught_up

    def scores(self, since: int) -> dict[tuple[Any, int, str], Any]:
        """Return what is said of the windows that begin at or after a second."""
        return {
            (*place, name): fields[name]
            for place, fields in sorted(self.database.points["score"].items())
            for name in ("score", "severity", "label")
            if place[1] >= T0 + since * SECOND_NS
        }

    def periods(self, but: tuple[int, int] = (0, 0)) -> dict[tuple[Any, int, str], Any]:
        """Return what is said of all periods but those that begin within the given seconds."""
        first, last = but
        return {
            (*place, name): value
            for place, fields in sorted(self.database.points["period"].items())
            if not T0 + first * SECOND_NS <= place[1] < T0 + last * SECOND_NS
            for name, value in sorted(fields.items())
        }


def assert_same(actual: dict[Any, Any], expected: dict[Any, Any]) -> None:
    """Check that numbers are equal within 1e-9, and other values as they are."""
    floats = {place for place, value in expected.items() if isinstance(value, float)}
    assert {place: actual[place] for place in actual.keys() - floats} == {
        place: expected[place] for place in expected.keys() - floats
    }
    assert {place: actual[place] for place in floats} == pytest.approx(
        {place: expected[place] for place in floats}, rel=1e-9, abs=1e-9
    )


def trained(detector: str) -> Model:
    """Train a model of the printers with few trees, and the least memory, as each UDF and catch-up here takes it."""
    quick = {"parameters": {"trees": 20}, "memory": "8MiB"}
    (pipeline,) = normalize([{**PIPELINE.as_dict(), "detector": detector, **quick}])
    windows = printers.windows(printers.clean(1, 20_000), printers.clean(2, 20_000))
    return train(pipeline, windows, "first", seed=0).model


@pytest.fixture(scope="module")
def patch() -> Iterator[pytest.MonkeyPatch]:
    with pytest.MonkeyPatch.context() as patch:
        yield patch


def undisturbed(model: Model, folder: Path, patch: pytest.MonkeyPatch) -> World:
    """What a UDF says that misses nothing."""
    whole = World(model, folder / "whole", patch)
    whole.live([(0, SECONDS)], ())
    return whole


@pytest.fixture(scope="module")
def remembering(tmp_path_factory: pytest.TempPathFactory, patch: pytest.MonkeyPatch) -> World:
    """An undisturbed UDF whose detector remembers."""
    return undisturbed(trained("ensemble"), tmp_path_factory.mktemp("ensemble"), patch)


@pytest.fixture(scope="module")
def forgetful(tmp_path_factory: pytest.TempPathFactory, patch: pytest.MonkeyPatch) -> World:
    """An undisturbed UDF whose detector looks at each window alone."""
    return undisturbed(trained("isolation_forest"), tmp_path_factory.mktemp("forest"), patch)


@pytest.fixture
def world(remembering: World, tmp_path: Path, patch: pytest.MonkeyPatch) -> World:
    """A world in which nothing has happened yet, whose detector remembers."""
    return World(remembering.model, tmp_path, patch)


# Kills within the fault's period, before it, over all of it, and for less than a window.
TIMES = [(95, 113, 160), (47, 61, 100), (68, 131, 175), (122, 123, 154)]


@pytest.mark.parametrize("detector", ["forgetful", "remembering"])
@pytest.mark.parametrize(("killed", "back", "caught"), TIMES)
def test_later_scores_and_periods_are_those_of_a_udf_that_missed_nothing(
    request: pytest.FixtureRequest,
    tmp_path: Path,
    patch: pytest.MonkeyPatch,
    detector: str,
    killed: int,
    back: int,
    caught: int,
) -> None:
    whole: World = request.getfixturevalue(detector)
    world = World(whole.model, tmp_path, patch)

    counts = world.live([(0, killed), (back, SECONDS)], (caught, SECONDS))

    assert counts["series taken over"] == 2
    assert_same(world.scores(caught + 1), whole.scores(caught + 1))
    assert world.scores(0).keys() == whole.scores(0).keys()
    assert_same(world.periods(), whole.periods())


def test_the_drift_of_a_detector_that_remembers_nothing_is_that_of_a_udf_that_missed_nothing(
    forgetful: World, tmp_path: Path, patch: pytest.MonkeyPatch
) -> None:
    (pipeline,) = normalize([{**forgetful.model.pipeline.as_dict(), "drift": {"horizon": "1000s"}}])

    def drift(name: str, lives: Sequence[tuple[int, int]], catch_ups: Collection[int]) -> dict[Any, Any]:
        world = World(replace(forgetful.model, pipeline=pipeline), tmp_path / name, patch)
        world.database.points["drift"] = {}
        world.live(lives, catch_ups)
        return {
            (*place, name): value
            for place, fields in world.database.points["drift"].items()
            for name, value in fields.items()
            if place[1] > T0 + 176 * SECOND_NS
        }

    expected = drift("whole", [(0, SECONDS)], ())

    actual = drift("broken", [(0, 68), (131, SECONDS)], (175, SECONDS))

    assert expected
    assert_same(actual, expected)


# A UDF that begins within the fault's period, with or without a memory of it, or is killed right after its begin.
WITHIN = [
    ([(0, 80), (85, SECONDS)], [118]),
    ([(0, 5), (90, SECONDS)], [125]),
    ([(80, SECONDS)], [125]),
]


@pytest.mark.parametrize(("lives", "catch_ups"), WITHIN)
def test_a_series_has_one_open_period_at_most_once_a_catch_up_has_handed_over(
    world: World, remembering: World, lives: list[tuple[int, int]], catch_ups: list[int]
) -> None:
    most: dict[bool, int] = {False: 0, True: 0}
    keep = world.database.keep

    def counted(points: Any) -> None:
        keep(points)
        opened = [key for (key, _), fields in world.database.points["period"].items() if fields["state"] == "open"]
        is_later = bool(world.handed)
        most[is_later] = max(most[is_later], *(opened.count(key) for key in opened), 0)

    with pytest.MonkeyPatch.context() as spied:
        spied.setattr(world.database, "keep", counted)
        counts = world.live(lives, [*catch_ups, 200])
    world.catch_up(SECONDS)

    # Nobody tells a UDF what it has forgotten before a catch-up does.
    assert most == {False: 2, True: 1}
    assert counts["superseded periods"] == 1
    assert_same(world.periods(), remembering.periods())


def test_without_a_hand_over_later_scores_differ(world: World, remembering: World) -> None:
    world.hands_over = False

    world.live([(0, 68), (131, SECONDS)], (175, SECONDS))

    expected = remembering.scores(176)
    assert any(abs(value - expected[place]) > 1e-3 for place, value in world.scores(176).items())


@st.composite
def schedules(draw: st.DrawFn) -> tuple[list[tuple[int, int]], list[int]]:
    """One to three kills within the first three minutes, and catch-ups at any time, one of them after all of it."""
    times = sorted(draw(st.sets(st.integers(5, 180), min_size=2, max_size=6)))
    edges = [0, *times[: len(times) // 2 * 2], SECONDS]
    lives = list(zip(edges[::2], edges[1::2], strict=True))
    last = draw(st.integers(max(edges[-2] + 32, 60), 230))
    return lives, [*draw(st.lists(st.integers(40, last), max_size=2)), last]


@settings(
    max_examples=12,
    derandomize=True,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(schedule=schedules())
@example(schedule=([(0, 5), (6, 18), (35, 98), (166, 300)], [198]))
@example(schedule=([(0, 5), (119, 300)], [140, 151]))
@example(schedule=([(0, 20), (71, 111), (114, 129), (160, 300)], [222]))
def test_kills_and_catch_ups_in_any_order_end_as_if_nothing_had_happened(
    remembering: World,
    tmp_path_factory: pytest.TempPathFactory,
    patch: pytest.MonkeyPatch,
    schedule: tuple[list[tuple[int, int]], list[int]],
) -> None:
    lives, catch_ups = schedule
    world = World(remembering.model, tmp_path_factory.mktemp("broken"), patch)

    world.live(lives, {*catch_ups, SECONDS})

    # A UDF that was just started knows that it is the task's own once it was asked for a snapshot.
    begin = lives[-1][0]
    handed = next(second for second in world.handed if second > begin)
    since = max(handed, begin // SNAPSHOTS * SNAPSHOTS + SNAPSHOTS) + 1
    assert_same(world.scores(since), remembering.scores(since))
    assert world.scores(0).keys() == remembering.scores(0).keys()
    # What the UDF says between its start and the hand-over stays, periods included (docs/reliability.md).
    assert_same(world.periods(but=(begin, since)), remembering.periods(but=(begin, since)))


def test_a_catch_up_that_ends_with_what_was_missing_leaves_the_hand_over_to_the_next_one(world: World) -> None:
    world.live([(0, 5), (119, SECONDS)], (140, 151))

    # The first one ends with the window that the second life began in, which has no score of its own.
    assert world.handed == [151]


def state_of(udf: Served) -> dict[str, Any]:
    """What the UDF remembers of its series, for comparisons."""
    return {name: array.tolist() for name, array in udf.handler._core.state().items()}


def make_late(world: World, second: int, seen_ms: int) -> None:
    """Note that points of a window of the first series came late, so that a catch-up replays it."""
    world.database.points["late"][(NAMES[0],), T0 + second * SECOND_NS] = {"points": 1, "seen_ms": seen_ms}


def test_a_hand_over_of_another_model_is_refused_and_told_once(world: World) -> None:
    with world.udf() as udf:
        world.run(udf, 0, 90)
        udf.snapshot()
        expected = state_of(udf)
        world.model = replace(world.model, version="other")
        # What another model has scored is replayed by it, and the windows after the last one by the current model.
        for place in list(world.database.points["score"]):
            world.database.points["score"][place]["model"] = "other"
        for seen_ms, series in ((1, 2), (2, 1)):
            make_late(world, 10, seen_ms)
            assert world.catch_up(90).handed_over == series
            udf.tick()
        assert udf.handler.events.counts["refused takeovers"] == 2
        assert "series taken over" not in udf.handler.events.counts
        assert state_of(udf) == expected
    (said,) = [line for line in udf.log if "was made for something else" in line]
    assert "model: 'other' in the file, 'first' here" in said


def test_a_damaged_hand_over_is_refused(world: World, tmp_path: Path) -> None:
    with world.udf() as udf:
        world.run(udf, 0, 90)
        udf.snapshot()
        expected = state_of(udf)
        make_late(world, 10, 1)
        world.catch_up(90)
        (file,) = (tmp_path / "hand_over" / "printer").iterdir()
        file.write_bytes(file.read_bytes()[:500])
        udf.tick()
        assert udf.handler.events.counts["refused takeovers"] == 1
        assert state_of(udf) == expected


def test_a_process_that_nobody_asked_for_a_snapshot_takes_nothing_over(world: World) -> None:
    with world.udf() as udf:
        world.run(udf, 0, 90)
        make_late(world, 10, 1)
        world.catch_up(90)
        udf.tick()
        assert "series taken over" not in udf.handler.events.counts
        udf.snapshot()
        udf.tick()
        assert udf.handler.events.counts["series taken over"] == 2


def test_a_series_that_is_silent_keeps_what_people_were_told(world: World) -> None:
    with world.udf() as udf:
        world.run(udf, 0, 60)
        udf.snapshot()
        world.database.keep(udf.at(T0 + 200 * SECOND_NS))
        expected = world.periods()
        assert "open" in expected.values()
        make_late(world, 10, 1)
        assert world.catch_up(200, stored=60).handed_over == 2
        udf.tick()
        assert udf.handler.events.counts["series not taken over"] == 2
        assert world.periods() == expected


def test_a_hand_over_of_windows_that_the_process_did_not_close_is_left(world: World) -> None:
    with world.udf() as udf:
        world.run(udf, 0, 90)
        saved = udf.snapshot()
    with world.udf(91, saved) as udf:
        make_late(world, 10, 1)
        assert world.catch_up(91).handed_over == 2
        world.run(udf, 91, 130)
        assert udf.handler.events.counts["series not taken over"] == 2


def test_the_state_of_another_host_is_taken_over_although_kapacitor_restores_nothing(
    world: World, remembering: World
) -> None:
    # The state of the second 90 is copied; the points up to the second 113 reach no Kapacitor.
    with world.udf() as udf:
        world.run(udf, 0, 90)
        udf.snapshot()

    with world.udf(113) as udf:
        world.run(udf, 113, 145)
        # Until all of the file is taken over, it is not replaced.
        assert udf.snapshot() == b""
        world.run(udf, 145, 180)
        counts = dict(udf.handler.events.counts)
        later = udf.snapshot()
        world.catch_up(180)
        world.run(udf, 180, SECONDS)
        world.catch_up(SECONDS)

    assert counts["series taken over"] == 2
    assert any("takes over the state of" in line for line in udf.log)
    assert later.endswith(b'{"state": "printer.npz"}')
    assert_same(world.scores(181), remembering.scores(181))
    assert_same(world.periods(), remembering.periods())


def test_the_state_of_another_host_is_taken_over_where_no_point_has_come(world: World) -> None:
    with world.udf() as udf:
        world.run(udf, 0, 100)
        udf.snapshot()

    with world.udf(100) as udf:
        udf.now_ns += 61 * SECOND_NS
        assert udf.snapshot().endswith(b'{"state": "printer.npz"}')
        assert udf.handler._core.have_scored([(name,) for name in NAMES]).all()
    assert any("takes over the state of" in line for line in udf.log)


def test_followers_of_a_restored_state_are_in_memory_once(world: World) -> None:
    with world.udf() as udf:
        world.run(udf, 0, 60)
        saved, expected = udf.snapshot(), state_of(udf)
    with world.udf(60, saved) as udf:
        # What waits for a model is a second copy.
        assert udf.handler._core.scorer.kept_followers == []
        assert state_of(udf) == expected


def test_a_state_that_does_not_fit_is_told_and_replaced(world: World, tmp_path: Path) -> None:
    state = tmp_path / "state" / "printer.npz"
    state.write_bytes(b"nothing")
    with world.udf() as udf:
        world.run(udf, 0, 40)
        assert udf.snapshot().endswith(b'{"state": "printer.npz"}')
    assert any("is damaged" in line for line in udf.log)
    assert len(state.read_bytes()) > 1000
