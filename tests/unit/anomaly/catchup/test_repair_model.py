"""Catch-ups after random outages, some of them killed, against a run in which nothing happened.

A stand-in for the UDF scores the windows of one printer, one by one. It is away now and then, with or without its
memory, and sees some windows before all of their points have come. Whatever happens in which order, once the last
catch-up is over the scores and periods are those of an undisturbed run.
"""

from collections.abc import Iterable, Mapping
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule, run_state_machine_as_test

from anomaly.catchup.queries import PERIOD_SIGN_FIELD
from anomaly.catchup.run import CaughtUp, repair_span
from anomaly.influxdb.client import InfluxClientError
from anomaly.influxdb.times import TimeRange
from anomaly.models.model import Model
from anomaly.scoring.events import EventCounter
from anomaly.scoring.feedback import Feedback
from anomaly.scoring.results import Result, ResultColumns, results
from anomaly.scoring.scorer import Scorer
from anomaly.windows.arrays import Key
from anomaly.windows.series import SeriesWindows
from tests.unit.anomaly import printers
from tests.unit.anomaly.printers import PIPELINE, WINDOW_NS, Fault
from tests.unit.anomaly.results_double import Fields, ResultsDouble
from tests.unit.anomaly.serving.test_takeover import assert_same

W = WINDOW_NS
KEY: Key = ("printer-1",)
COUNT = 300
# Nothing happens in the last windows, so that every period is over and the UDF has scored what a catch-up leaves to it.
CALM = 60
# A catch-up leaves the windows to the UDF that end this many windows before now.
LAG = 3
# Faults that may begin, go on, or end while nobody listens; the last one ends before the calm.
FAULTS = (
    Fault("offset", (1,), 500, 250, 9.0),
    Fault("offset", (0,), 1_500, 60, 9.0),
    Fault("gap", (0, 1, 2), 1_900, 90),
)


def history() -> SeriesWindows:
    samples = printers.clean(31, COUNT * printers.WINDOW)
    for fault in FAULTS:
        printers.break_down(samples, fault)
    (series,) = printers.runs(printers.windows(samples))
    return series


def flat(points: Mapping[tuple[Key, int], Fields]) -> dict[tuple[int, str], Any]:
    """Return the fields of all points by time and name."""
    return {(time_ns, name): value for (_, time_ns), fields in points.items() for name, value in fields.items()}


class Database(ResultsDouble):
    """Results in memory that may be away.

    Attributes:
        writes_left: how many writes succeed before InfluxDB is away.
    """

    writes_left = 10**9

    def write(self, results: Iterable[Result | ResultColumns]) -> None:
        if self.writes_left == 0:
            raise InfluxClientError("InfluxDB is away")
        self.writes_left -= 1
        super().write(results)


class Outages(RuleBasedStateMachine):
    """A UDF, its results, and what happens to them.

    Attributes:
        model: the model, the same for all runs.
    """

    model: Model

    @initialize()
    def begin(self) -> None:
        self.series = history()
        self.database = Database(PIPELINE, [self.series])
        self.scorer = self._new_scorer()
        # How many windows of time have passed, and how often a late point was seen.
        self.now = 0
        self.seen = 0

    @rule(windows=st.integers(1, 40))
    def score(self, windows: int) -> None:
        for _ in range(min(windows, COUNT - CALM - self.now)):
            self._score_next(self.scorer)

    @precondition(lambda self: self.now < COUNT - CALM)
    @rule(windows=st.integers(1, 30), memory=st.sampled_from(["kept", "lost", "blind"]))
    def be_away(self, windows: int, memory: str) -> None:
        """Let time pass; then go on with the memory of before, without any, or as if nothing had been there."""
        self.now = min(self.now + windows, COUNT - CALM)
        if memory != "blind":
            state = self.scorer.state() if memory == "kept" else {}
            self.scorer = self._new_scorer()
            self.scorer.restore(state)

    @precondition(lambda self: self.now < COUNT - CALM)
    @rule(error=st.sampled_from([-12.0, -0.2, 0.0, 0.2]))
    def score_before_all_points_are_there(self, error: float) -> None:
        at, self.seen = self.now, self.seen + 1
        self._score_next(self.scorer, error)
        inside = self.series.begin_ns == at * W
        if inside.any():
            self.database.points["late"][KEY, at * W] = {"points": 1, "seen_ms": self.seen}

    @rule()
    def catch_up(self) -> None:
        self.look_again()

    @rule(writes=st.integers(0, 6))
    def catch_up_and_be_killed(self, writes: int) -> None:
        self.database.writes_left = writes
        try:
            self.look_again()
        except InfluxClientError:
            """This is what a kill leaves behind."""
        self.database.writes_left = 10**9

    def teardown(self) -> None:
        if not hasattr(self, "database"):
            return
        while self.now < COUNT:
            self._score_next(self.scorer)
        self.look_again()
        again = self.look_again()
        # What is noted of periods is that of the periods that are stored, so nothing is compared again.
        assert self.look_again().series == 0

        undisturbed = Database(PIPELINE, [self.series])
        scorer = self._new_scorer()
        for scored in scorer.feed(self.model, self.series):
            undisturbed.write(results(PIPELINE, KEY, scored))
        for measurement in ("score", "period"):
            assert_same(flat(self.database.points[measurement]), flat(undisturbed.points[measurement]))
        assert not again.changed

    def _new_scorer(self) -> Scorer:
        return Scorer(PIPELINE, EventCounter("", lambda message: None))

    def _score_next(self, scorer: Scorer, error: float = 0.0) -> None:
        """Score the next window, with an error of the second field's values, and let its time pass."""
        window = self.series.where(self.series.begin_ns == self.now * W)
        values = window.values.copy()
        values[:, 2] += error
        self.now += 1
        self.database.until_ns = self.now * W
        for scored in scorer.feed(self.model, SeriesWindows(KEY, window.begin_ns, values, window.counts)):
            self.database.write(results(PIPELINE, KEY, scored))

    def look_again(self) -> CaughtUp:
        self.database.until_ns = self.now * W
        span = TimeRange(0, max(self.now - LAG, 0) * W)
        return repair_span(PIPELINE, self.database, lambda version: self.model, Feedback(PIPELINE), span)


@pytest.mark.parametrize("away", [4, 8])
@pytest.mark.parametrize("memory", ["kept", "blind"])
def test_a_period_that_the_udf_closes_after_its_correction_is_removed(model: Model, memory: str, away: int) -> None:
    outages = Outages()
    outages.model = model
    outages.begin()
    outages.score(30)
    outages.score_before_all_points_are_there(12.0)
    outages.be_away(away, memory)
    outages.catch_up()
    outages.score(10)
    before = outages.database.points["period"][KEY, 30 * W]

    outages.catch_up()

    assert (before["state"], before["points"]) == ("closed", 1)
    assert outages.database.points["period"] == {}


@pytest.mark.parametrize("memory", [None, "kept", "blind"])
def test_a_period_that_the_udf_closes_with_the_peak_of_a_corrected_score_is_corrected(
    model: Model, memory: str | None
) -> None:
    outages = Outages()
    outages.model = model
    outages.begin()
    outages.score(52)
    outages.score_before_all_points_are_there(12.0)
    outages.score(4)
    outages.catch_up()
    if memory is not None:
        outages.be_away(2, memory)
    right = outages.database.points["score"][KEY, 52 * W]["score"]
    outages.score(90)
    before = outages.database.points["period"][KEY, 50 * W]
    closed_with = before["state"], before["peak_score"] > 2 * right

    # This also compares all results with those of an undisturbed run.
    outages.teardown()

    assert closed_with == ("closed", True)
    assert outages.database.points["period"][KEY, 50 * W]["peak_score"] < 2 * right


def test_periods_of_a_release_that_noted_none_of_them_are_compared_once(model: Model) -> None:
    outages = Outages()
    outages.model = model
    outages.begin()
    outages.score(52)
    outages.score_before_all_points_are_there(12.0)
    outages.score(90)
    outages.teardown()
    for fields in outages.database.points["late"].values():
        del fields[PERIOD_SIGN_FIELD]

    first, second = outages.look_again(), outages.look_again()

    assert (first.series, first.changed) == (1, False)
    assert second.series == 0


def test_the_sentence_of_a_period_is_corrected_where_its_numbers_stay(model: Model) -> None:
    outages = Outages()
    outages.model = model
    outages.begin()
    outages.now = 48
    outages.score(2)
    # The first window of a fault is as rare as a window can be, with or without the error.
    outages.score_before_all_points_are_there(-0.2)
    outages.score(30)
    outages.catch_up()
    assert "bed was 93.4" in outages.database.points["period"][KEY, 50 * W]["text"]


def test_outages_and_catch_ups_in_any_order_end_as_if_nothing_had_happened(model: Model) -> None:
    class OutagesOfOneModel(Outages):
        pass

    OutagesOfOneModel.model = model
    run_state_machine_as_test(
        OutagesOfOneModel,
        settings=settings(
            derandomize=True,
            max_examples=25,
            stateful_step_count=10,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
