"""New levels: a change is told once and is over after the stated time, and the series goes on from there."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import cache
from typing import Any
from unittest.mock import Mock

import numpy as np
import pytest

from anomaly.models.model import Model
from anomaly.models.trend import Trend
from anomaly.pipeline import Pipeline, normalize
from anomaly.scoring.events import EventCounter
from anomaly.scoring.feedback import TRUE, Feedback, Mark
from anomaly.scoring.levels import Levels
from anomaly.scoring.periods import NEW_LEVEL, Period
from anomaly.scoring.scorer import ScoredWindow, ScoredWindows, Scorer
from anomaly.training.fit import train
from anomaly.windows.arrays import Key
from anomaly.windows.series import SeriesWindows
from anomaly.windows.windows import Windows

MINUTE = 60_000_000_000
STEP = 5 * MINUTE
DAY = 288
# Midnight of a day in 2023.
BEGIN_NS = 1_699_920_000_000_000_000
TRAINED_DAYS = 4
DETECTORS = ("ensemble", "isolation_forest")
KEYS = (("a",), ("b",), ("c",))


def pipeline(detector: str = "ensemble", **more: Any) -> Pipeline:
    specification = {
        "name": "cases",
        "database": "cases",
        "measurement": "cases",
        "fields": ["value", "other"],
        "group_by": ["host"],
        "window": "5m",
        "detector": detector,
        "parameters": {"trees": 50},
        "training": {"from": f"{TRAINED_DAYS}d"},
        **more,
    }
    return normalize([specification])[0]


def points(first: int, count: int, seed: int) -> np.ndarray:
    """Make the points of windows from the number `first` on, shape (count, 10, 2): the first field has a rhythm."""
    number = first + np.arange(count)
    made = np.random.default_rng(seed).normal(20.0, 0.5, (count, 10, 2))
    made[:, :, 0] += np.sin(number * 2 * np.pi / DAY)[:, None]
    return made


def windows(made: np.ndarray, first: int, key: tuple[str, ...] = KEYS[0]) -> SeriesWindows:
    begin_ns = BEGIN_NS + (first + np.arange(len(made))) * STEP
    mean, stddev = made.mean(axis=1), made.std(axis=1, ddof=1)
    values = np.stack([mean[:, 0], stddev[:, 0], mean[:, 1], stddev[:, 1]], axis=1)
    return SeriesWindows(key, begin_ns, values, np.full((len(made), 2), 10.0))


@cache
def model(detector: str = "ensemble") -> Model:
    parts = [windows(points(0, TRAINED_DAYS * DAY, seed), 0, key) for seed, key in enumerate(KEYS)]
    return train(pipeline(detector), Windows.of_series(parts), "v", 0).model


def scorer(made: Pipeline) -> Scorer:
    return Scorer(made, EventCounter("cases", lambda message: None))


def found(scored: list[ScoredWindow]) -> list[Period]:
    """Return the periods, each as it was told last."""
    return list({period.begin_ns: period for window in scored for period in window.periods}.values())


def day_of(at_ns: int) -> float:
    """Return a time in days since the end of training."""
    return (at_ns - BEGIN_NS) / STEP / DAY - TRAINED_DAYS


def stepped(days: int, begin: int = DAY // 2, by: float = 6.0, seed: int = 50) -> np.ndarray:
    made = points(TRAINED_DAYS * DAY, days * DAY, seed)
    made[begin:, :, 0] += by
    return made


def test_the_default_is_a_day_or_48_windows() -> None:
    assert pipeline().periods.new_level == "1d"
    assert pipeline(window="1h").periods.new_level == "2d"
    assert pipeline(periods={"new_level": "36h"}).as_dict()["periods"]["new_level"] == "36h"


@pytest.mark.parametrize("detector", DETECTORS)
def test_a_level_that_changes_for_good_is_told_once_and_is_over_after_a_day(detector: str) -> None:
    scored = list(scorer(pipeline(detector)).feed(model(detector), windows(stepped(5), TRAINED_DAYS * DAY)))

    periods = found(scored)
    told = [period for period in periods if period.reason == NEW_LEVEL]
    assert [(round(day_of(period.begin_ns), 1), period.state) for period in told] == [(0.5, "closed")]
    assert day_of(told[0].end_ns) == pytest.approx(1.5, abs=0.02)
    assert [period for period in periods if day_of(period.begin_ns) > 1.5] == []
    last = scored[-1].verdict
    assert last.value[0] == pytest.approx(26.0, abs=1.5)
    assert 22.0 < last.expected_low[0] < last.value[0] < last.expected_high[0] < 30.0


def test_a_fault_at_the_new_level_is_found_and_so_is_the_way_back() -> None:
    made = stepped(6)
    made[3 * DAY : 3 * DAY + 12, :, 0] += 6.0
    made[4 * DAY :, :, 0] -= 6.0

    periods = found(list(scorer(pipeline()).feed(model(), windows(made, TRAINED_DAYS * DAY))))

    begins = [day_of(period.begin_ns) for period in periods]
    assert [begin for begin in begins if 2.99 < begin < 3.01]
    back = [period for period in periods if 3.99 < day_of(period.begin_ns) < 4.01]
    assert [period.reason for period in back] == [NEW_LEVEL]
    assert day_of(back[0].end_ns) == pytest.approx(5.0, abs=0.02)
    assert [begin for begin in begins if begin > 5.0] == []


@pytest.mark.parametrize("detector", DETECTORS)
def test_a_volume_that_fills_is_followed_along_its_line(detector: str) -> None:
    made = points(TRAINED_DAYS * DAY, 8 * DAY, 60)
    made[:, :, 1] += (4.0 * np.arange(8 * DAY) / DAY)[:, None]

    periods = found(list(scorer(pipeline(detector)).feed(model(detector), windows(made, TRAINED_DAYS * DAY))))

    assert [period.reason for period in periods if period.reason == NEW_LEVEL] == [NEW_LEVEL]
    assert max(day_of(period.end_ns) for period in periods) < 1.8


def test_a_change_that_ends_before_that_is_no_new_level() -> None:
    made = points(TRAINED_DAYS * DAY, 3 * DAY, 70)
    made[DAY : 2 * DAY - 12, :, 0] += 6.0

    periods = found(list(scorer(pipeline()).feed(model(), windows(made, TRAINED_DAYS * DAY))))

    assert {period.reason for period in periods} == {"value"}
    assert max(day_of(period.end_ns) for period in periods) < 2.0


def test_a_sensor_that_is_stuck_and_a_limit_are_no_levels() -> None:
    stuck = points(TRAINED_DAYS * DAY, 3 * DAY, 80)
    stuck[DAY:, :, 0] = 26.0
    limited = pipeline(fields=[{"name": "value", "limits": [None, 23]}, "other"])

    still = found(list(scorer(pipeline()).feed(model(), windows(stuck, TRAINED_DAYS * DAY))))
    beyond = found(list(scorer(limited).feed(model(), windows(stepped(4), TRAINED_DAYS * DAY))))

    assert still[-1].state == "open"
    assert day_of(still[-1].end_ns) == 3.0
    assert NEW_LEVEL not in {period.reason for period in still + beyond}


def test_a_field_that_never_moved_goes_on_from_another_value() -> None:
    constant = points(0, (TRAINED_DAYS + 4) * DAY, 85)
    constant[:, :, 0] = 5.0
    constant[(TRAINED_DAYS + 1) * DAY :, :, 0] = 7.0
    constant[(TRAINED_DAYS + 3) * DAY, :, 0] = 8.0
    history, later = constant[: TRAINED_DAYS * DAY], constant[TRAINED_DAYS * DAY :]
    of_constant = train(pipeline(), Windows.of_series([windows(history, 0)]), "v", 0).model

    scored = list(scorer(pipeline()).feed(of_constant, windows(later, TRAINED_DAYS * DAY)))

    spans = [(round(day_of(each.begin_ns), 1), round(day_of(each.end_ns), 1)) for each in found(scored)]
    assert spans == [(1.0, 2.0), (3.0, 3.0)]
    assert found(scored)[0].reason == NEW_LEVEL
    assert (scored[-1].verdict.expected_low[0], scored[-1].verdict.expected_high[0]) == pytest.approx((7, 7), abs=0.1)


def one_by_one(made: Pipeline, series: list[SeriesWindows]) -> Iterator[ScoredWindows]:
    made_scorer = scorer(made)
    for at in range(len(series[0])):
        one = Windows.of_series([part.where(np.arange(len(part)) == at) for part in series])
        yield from made_scorer.feed_together(model(), one)


def all_at_once(made: Pipeline, series: list[SeriesWindows]) -> Iterator[ScoredWindows]:
    yield from scorer(made).feed_together(model(), Windows.of_series(series))


def with_restarts(made: Pipeline, series: list[SeriesWindows]) -> Iterator[ScoredWindows]:
    before = scorer(made)
    number = np.arange(len(series[0]))
    for first in range(0, len(number), 100):
        after = scorer(made)
        after.restore(before.state())
        before = after
        part = Windows.of_series([each.where((number >= first) & (number < first + 100)) for each in series])
        yield from before.feed_together(model(), part)


def severities(scored: Iterator[ScoredWindows]) -> dict[tuple[Key, int], tuple[float, float, tuple[str, ...]]]:
    return {
        (windows.key(at)[:1], int(windows.begin_ns[at])): (
            float(windows.verdicts.severity[at]),
            float(windows.verdicts.expected_high[at, 0]),
            tuple(f"{each.state} {each.reason} {each.points}" for each in windows.periods.get(at, ())),
        )
        for windows in scored
        for at in range(len(windows))
    }


@pytest.mark.parametrize("way", [one_by_one, all_at_once, with_restarts])
def test_streaming_catch_up_and_restarts_find_the_same_levels(
    way: Callable[[Pipeline, list[SeriesWindows]], Iterator[ScoredWindows]],
) -> None:
    made = pipeline(periods={"new_level": "3h"})
    first = TRAINED_DAYS * DAY
    steps = [stepped(1, begin=60, seed=90), points(first, DAY, 91), stepped(1, begin=200, by=-9.0, seed=92)]
    series = [windows(each, first, key) for each, key in zip(steps, KEYS, strict=True)]

    made_scorer = scorer(made)
    alone = severities(found for each in series if (found := made_scorer.feed_series(model(), each)) is not None)
    found_so = severities(way(made, series))

    assert found_so.keys() == alone.keys()
    assert [value[2] for value in found_so.values() if any(NEW_LEVEL in text for text in value[2])]
    for at, (severity, high, periods) in found_so.items():
        assert (severity, high) == pytest.approx(alone[at][:2], abs=1e-6), at
        assert periods == alone[at][2], at


def test_series_whose_levels_cannot_be_found_are_counted_as_failed_and_others_go_on(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    messages: list[str] = []
    scoring = Scorer(pipeline(), EventCounter("cases", messages.append))
    first = [windows(stepped(1, begin=0)[:20], TRAINED_DAYS * DAY, key) for key in KEYS]
    begin_ns = first[0].begin_ns
    monkeypatch.setattr(Levels, "feed", lambda self, row, at_ns, *args, **named: at_ns == begin_ns[-1])
    settle = Mock(side_effect=[ValueError("broken"), False, False])
    monkeypatch.setattr(Levels, "settle", settle)

    scored = [
        window
        for at in range(20)
        for part in scoring.feed_together(
            model(), Windows.of_series([series.where(np.arange(20) == at) for series in first])
        )
        for window in part
    ]

    assert len(scored) == 3 * 20
    assert settle.call_count == 3
    assert sum("broken" in message for message in messages) == 1


def test_a_series_without_a_baseline_warms_up_anew_at_its_new_level() -> None:
    made = points(0, 9 * DAY, 95)
    made[5 * DAY :, :, 0] += 12.0

    counted = EventCounter("cases", lambda message: None)
    periods = found(list(Scorer(pipeline(), counted).feed(model(), windows(made, TRAINED_DAYS * DAY, ("new",)))))

    told = [period for period in periods if period.reason == NEW_LEVEL]
    assert [round(day_of(period.begin_ns), 1) for period in told] == [5.0]
    assert [period for period in periods if day_of(period.begin_ns) > 6.1] == []
    assert counted.counts["new levels"] == 1


def test_a_state_of_other_features_is_refused() -> None:
    made = pipeline(periods={"new_level": "3h"})
    before = scorer(made)
    list(before.feed(model(), windows(stepped(1, begin=60), TRAINED_DAYS * DAY)))
    state = before.state()
    assert "levels_courses" in state

    with pytest.raises(ValueError, match="4 features"):
        scorer(made).restore({**state, "levels_courses": state["levels_courses"][:, :, :3]})


def test_a_trend_that_training_knows_goes_on_from_a_new_level() -> None:
    slopes = np.zeros((len(KEYS) + 1, 4))
    slopes[1, 0] = 2.0
    end_ns = BEGIN_NS + TRAINED_DAYS * DAY * STEP
    rising = replace(model("isolation_forest"), trend=Trend(slopes, BEGIN_NS, end_ns))
    flat = windows(stepped(5), TRAINED_DAYS * DAY)
    values = flat.values.copy()
    values[:, 0] += 2.0 * np.arange(len(flat)) / DAY
    risen = SeriesWindows(flat.key, flat.begin_ns, values, flat.counts)
    made = pipeline("isolation_forest")

    plain = list(scorer(made).feed(model("isolation_forest"), flat))
    scored = list(scorer(made).feed(rising, risen))

    assert [period.reason for period in found(scored)] == [period.reason for period in found(plain)]
    assert [each.anomalous for each in scored] == [each.anomalous for each in plain]
    last, of_plain = scored[-1].verdict, plain[-1].verdict
    assert last.value[0] == pytest.approx(values[-1, 0])
    rise = values[-1, 0] - flat.values[-1, 0]
    assert last.expected_low[0] == pytest.approx(of_plain.expected_low[0] + rise)
    assert last.expected_high[0] == pytest.approx(of_plain.expected_high[0] + rise)


ONE: dict[str, Any] = {"fields": ["value"], "group_by": []}


def of_one_field(value: np.ndarray, first: int) -> SeriesWindows:
    """Return windows of one field, whose points are given, shape (n, 10)."""
    begin_ns = BEGIN_NS + (first + np.arange(len(value))) * STEP
    values = np.stack([value.mean(axis=1), value.std(axis=1, ddof=1)], axis=1)
    return SeriesWindows((), begin_ns, values, np.full((len(value), 1), 10.0))


def rhythm(days: int, seed: int, scatter: float = 0.1) -> np.ndarray:
    """Return the points of windows with a rhythm of the day, shape (n, 10)."""
    phase = np.arange(days * DAY) * 2 * np.pi / DAY
    return np.asarray(np.random.default_rng(seed).normal(20.0, scatter, (days * DAY, 10)) + np.sin(phase)[:, None])


def periods_of_one_field(history: np.ndarray, later: np.ndarray) -> list[Period]:
    made = pipeline(**ONE)
    known = of_one_field(history, 0)
    trained = train(made, Windows.of_series([known]), "v", 0).model
    return found(list(scorer(made).feed(trained, of_one_field(later, len(history)))))


def days_red(periods: list[Period]) -> float:
    return float(sum(period.end_ns - period.begin_ns for period in periods)) / STEP / DAY


def test_growth_under_a_rhythm_is_followed_along_its_line() -> None:
    made = rhythm(TRAINED_DAYS + 8, 110)
    made[TRAINED_DAYS * DAY :] += (0.7 * np.arange(8 * DAY) / DAY)[:, None]

    periods = periods_of_one_field(made[: TRAINED_DAYS * DAY], made[TRAINED_DAYS * DAY :])

    assert NEW_LEVEL in {period.reason for period in periods}
    assert days_red(periods) < 1.5
    assert days_red([period for period in periods if day_of(period.begin_ns) > 3.0]) < 0.01


def evening(days: int, seed: int) -> np.ndarray:
    """Return a rhythm whose peaks are higher from the second day on."""
    made = rhythm(days, seed)
    number = np.arange(len(made))
    made[(number >= DAY) & (np.abs(number % DAY - DAY // 4) < 24)] += 0.6
    return made


def test_a_shift_at_each_peak_of_a_rhythm_is_told_as_a_new_level_on_the_third_day() -> None:
    periods = periods_of_one_field(rhythm(TRAINED_DAYS, 120), evening(6, 121))

    at_peaks = [period for period in periods if 0.1 < day_of(period.begin_ns) % 1.0 < 0.4]
    told = [(round(day_of(period.begin_ns), 1), period.reason) for period in at_peaks]
    assert told == [(1.2, "value"), (2.2, "value"), (3.2, NEW_LEVEL)]
    assert days_red(periods) < 0.5


def test_a_shift_that_people_call_an_anomaly_is_told_each_day() -> None:
    made = pipeline(**ONE)
    trained = train(made, Windows.of_series([of_one_field(rhythm(TRAINED_DAYS, 120), 0)]), "v", 0).model
    later = of_one_field(evening(5, 121), TRAINED_DAYS * DAY)
    begin_ns = int(later.begin_ns[DAY])
    marks = [Mark(TRUE, begin_ns, begin_ns + DAY * STEP, {}, "a leak")]

    periods = found(list(scorer(made).feed(trained, later, Feedback(made, marks))))

    at_peaks = [period for period in periods if 0.1 < day_of(period.begin_ns) % 1.0 < 0.4]
    told = [(round(day_of(period.begin_ns), 1), period.reason) for period in at_peaks]
    assert told == [(day + 0.2, "value") for day in (1, 2, 3, 4)]


def test_a_field_that_never_moved_and_scatters_for_good_is_told_once() -> None:
    constant = np.full((TRAINED_DAYS * DAY, 10), 5.0)
    scattering = np.random.default_rng(130).normal(5.0, 0.5, (4 * DAY, 10))

    periods = periods_of_one_field(constant, scattering)

    assert [period.reason for period in periods][:1] == [NEW_LEVEL]
    assert NEW_LEVEL not in {period.reason for period in periods[1:]}
    assert days_red(periods) < 1.1


def test_a_rhythm_of_another_shape_is_over_after_a_day_and_a_fault_in_it_is_found() -> None:
    later = rhythm(6, 140)
    later[DAY:] = 40.0 - later[DAY:]
    later[4 * DAY : 4 * DAY + 12] += 4.0

    periods = periods_of_one_field(rhythm(TRAINED_DAYS, 141), later)

    assert NEW_LEVEL in {period.reason for period in periods}
    assert [period for period in periods if 3.99 < day_of(period.begin_ns) < 4.1]
    assert days_red([period for period in periods if day_of(period.begin_ns) > 2.1]) < 0.2


@pytest.mark.parametrize("length", [1, 100])
def test_what_recurs_is_found_alike_by_any_number_of_windows_at_once_and_after_restarts(length: int) -> None:
    made = pipeline(**ONE)
    trained = train(made, Windows.of_series([of_one_field(rhythm(TRAINED_DAYS, 150), 0)]), "v", 0).model
    later = of_one_field(evening(4, 151), TRAINED_DAYS * DAY)
    alone = scorer(made).feed_series(trained, later)
    assert alone is not None

    before, number, parts = scorer(made), np.arange(len(later)), []
    for first in range(0, len(later), length):
        if length > 1:
            after = scorer(made)
            after.restore(before.state())
            before = after
        one = Windows.of_series([later.where((number >= first) & (number < first + length))])
        parts += list(before.feed_together(trained, one))

    apart = severities(iter(parts))
    assert {value[2] for value in apart.values() if NEW_LEVEL in str(value[2])}
    assert [value[2] for value in apart.values()] == [value[2] for value in severities(iter([alone])).values()]
