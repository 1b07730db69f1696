"""What detectors learn: no window of an open period, up to its new level, however windows arrive."""

from collections.abc import Iterator
from functools import cache

import numpy as np
import pytest

from anomaly.models.model import Model
from anomaly.pipeline import Pipeline, normalize
from anomaly.scoring.events import EventCounter
from anomaly.scoring.periods import Rules, Tracker
from anomaly.scoring.scorer import ScoredWindow, Scorer
from anomaly.training.fit import train
from anomaly.windows.series import SeriesWindows
from anomaly.windows.windows import Windows

MINUTE = 60_000_000_000
STEP = 5 * MINUTE
DAY = 288
# Midnight of a day in 2023.
BEGIN_NS = 1_699_920_000_000_000_000
TRAINED = 4 * DAY
KEYS = (("a",), ("b",), ("c",))
HOUR = 12


@cache
def pipeline(detector: str, window: str = "5m", new_level: str = "1d") -> Pipeline:
    specification = {
        "name": "cases",
        "database": "cases",
        "measurement": "cases",
        "fields": ["value"],
        "group_by": ["host"],
        "window": window,
        "detector": detector,
        "training": {"from": "4d"},
        "periods": {"new_level": new_level},
    }
    return normalize([specification])[0]


def points(count: int, seed: int) -> np.ndarray:
    """Make the points of windows with a daily rhythm, shape (count, 10)."""
    rhythm = np.sin(np.arange(count) * 2 * np.pi / DAY)[:, None]
    return np.random.default_rng(seed).normal(20.0, 0.5, (count, 10)) + rhythm


def windows(made: np.ndarray, first: int, key: tuple[str, ...] = KEYS[0], step: int = STEP) -> SeriesWindows:
    begin_ns = BEGIN_NS + (first + np.arange(len(made))) * step
    values = np.stack([made.mean(axis=1), made.std(axis=1, ddof=1)], axis=1)
    return SeriesWindows(key, begin_ns, values, np.full((len(made), 1), 10.0))


@cache
def model(detector: str) -> Model:
    parts = [windows(points(TRAINED, seed), 0, key) for seed, key in enumerate(KEYS)]
    return train(pipeline(detector), Windows.of_series(parts), "v", 0).model


def scorer(detector: str) -> Scorer:
    return Scorer(pipeline(detector), EventCounter("cases", lambda message: None))


def faulty(seed: int) -> np.ndarray:
    """Make two days with a short fault, a long one that comes again, a drift, and single far windows."""
    made = points(2 * DAY, 100 + seed)
    begin = 20 + 7 * seed
    made[begin : begin + 3] += 8.0
    for at in (begin + 3 * HOUR, begin + 15 * HOUR):
        made[at : at + 4 * HOUR] += 6.0
    made[begin + 25 * HOUR : begin + 33 * HOUR] += np.linspace(0.0, 6.0, 8 * HOUR)[:, None]
    made[begin + 38 * HOUR :: 20] += 9.0
    return made


def row(each: ScoredWindow) -> tuple[int, float, bool, list[tuple[int, int, str]]]:
    periods = [(period.begin_ns, period.end_ns, period.state) for period in each.periods]
    return each.begin_ns, each.verdict.score, each.anomalous, periods


def in_parts(series: SeriesWindows, lengths: tuple[int, ...], seed: int) -> Iterator[SeriesWindows]:
    """Yield parts of windows, whose lengths are drawn."""
    first, number, rng = 0, np.arange(len(series)), np.random.default_rng(seed)
    while first < len(series):
        last = first + int(rng.choice(lengths))
        yield series.where((number >= first) & (number < last))
        first = last


@pytest.mark.parametrize("detector", ["ensemble", "gap"])
def test_windows_get_equal_scores_and_periods_however_they_arrive(detector: str) -> None:
    every = [windows(faulty(seed), TRAINED, key) for seed, key in enumerate(KEYS)]
    whole = scorer(detector)
    expected = {each.key: [row(one) for one in whole.feed(model(detector), each)] for each in every}

    for lengths in ((1,), (1, 2, 3, 5), (40, 1, 100, 17)):
        together, alone = scorer(detector), scorer(detector)
        got: dict[tuple[str, ...], list[object]] = {key: [] for key in KEYS}
        parts = [list(in_parts(each, lengths, seed)) for seed, each in enumerate(every)]
        for number in range(max(map(len, parts))):
            arriving = Windows.of_series([part[number] for part in parts if number < len(part)])
            for scored in together.feed_together(model(detector), arriving):
                for at, one in enumerate(scored):
                    got[scored.key(at)].append(row(one))
        assert got == expected
        assert [row(one) for part in parts[0] for one in alone.feed(model(detector), part)] == expected[KEYS[0]]
    assert sum(bool(each[2]) for each in expected[KEYS[0]]) > 5 * HOUR


@pytest.mark.parametrize("detector", ["ensemble", "gap"])
def test_a_state_that_is_restored_within_a_fault_goes_on_unlearnt(detector: str) -> None:
    scored = windows(faulty(0), TRAINED)
    expected = [row(one) for one in scorer(detector).feed(model(detector), scored)]
    number, first = np.arange(len(scored)), scorer(detector)

    before = [row(one) for one in first.feed(model(detector), scored.where(number < 20 + 5 * HOUR))]
    second = scorer(detector)
    second.restore(first.state(), resumed=False)
    after = [row(one) for one in second.feed(model(detector), scored.where(number >= 20 + 5 * HOUR))]

    assert before + after == expected


def test_what_goes_on_stays_anomalous_and_is_found_again() -> None:
    made = points(2 * DAY, 50)
    for begin in (HOUR, 30 * HOUR):
        made[begin : begin + 8 * HOUR] += 6.0

    scored = list(scorer("gap").feed(model("gap"), windows(made, TRAINED)))

    for begin in (HOUR, 30 * HOUR):
        assert all(each.anomalous for each in scored[begin : begin + 8 * HOUR])
    assert not any(each.anomalous for each in scored[10 * HOUR : 30 * HOUR])


@pytest.mark.parametrize(("new_level", "lasting"), [("1d", 400), ("2d", 450)])
@pytest.mark.parametrize("together", [False, True])
def test_after_a_short_history_a_change_becomes_usual_once_it_has_lasted_for_twice_as_long(
    new_level: str, lasting: int, *, together: bool
) -> None:
    asked = pipeline("gap", "1m", new_level)
    made = np.random.default_rng(60).normal(20.0, 0.5, (660, 10))
    made[210:] += 6.0
    trained = train(asked, Windows.of_series([windows(made[:200], 0, step=MINUTE)]), "v", 0).model
    scored, scoring = windows(made[200:], 200, step=MINUTE), Scorer(asked, EventCounter("cases", lambda message: None))

    if together:
        parts = [scored.where(np.arange(len(scored)) == at) for at in range(len(scored))]
        fed = (one for part in parts for one in scoring.feed_together(trained, Windows.of_series([part])))
        anomalous = [bool(each.anomalous) for one in fed for each in one]
    else:
        anomalous = [bool(each.anomalous) for each in scoring.feed(trained, scored)]

    assert not any(anomalous[:10])
    assert all(anomalous[10 : 10 + lasting])
    assert not any(anomalous[10 + lasting + 3 :])


def test_a_period_keeps_its_windows_unlearnt_up_to_the_new_level() -> None:
    rules = Rules(window_ns=10, open=75.0, close=60.0, evidence=9.0, merge_ns=30, silence_ns=50, new_level_ns=100)
    tracker = Tracker(rules, ("value",))
    assert not tracker.keeps_unlearnt(0)
    tracker.feed(0, 1.0, 80.0, 0.0, (1.0,))

    assert tracker.keeps_unlearnt(10)
    # Time goes back, the period is over, data were away, and in time the windows are how the series is now.
    assert not tracker.keeps_unlearnt(0)
    assert not tracker.keeps_unlearnt(40)
    for begin_ns in range(10, 90, 10):
        tracker.feed(begin_ns, 1.0, 80.0, 0.0, (1.0,))
    assert tracker.keeps_unlearnt(90)
    tracker.feed(90, 1.0, 80.0, 0.0, (1.0,))
    assert not tracker.keeps_unlearnt(100)
