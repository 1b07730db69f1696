"""Series that training has not seen: they warm up, then have a baseline of their own."""

from dataclasses import replace
from functools import cache
from itertools import pairwise
from typing import Any

import numpy as np
import pytest

from anomaly.models.model import Model, Verdict
from anomaly.models.trend import Trend
from anomaly.pipeline import Pipeline, normalize
from anomaly.scoring.events import EventCounter
from anomaly.scoring.notices import Notice
from anomaly.scoring.scorer import ScoredWindow, Scorer
from anomaly.training.fit import train
from anomaly.windows.arrays import Key
from anomaly.windows.series import SeriesWindows
from anomaly.windows.windows import Windows

SECOND = 1_000_000_000
WINDOW_S = 300
DAY = 86_400 // WINDOW_S
# Midnight of a day in 2023.
BEGIN_S = 1_699_920_000
TRAINED_DAYS = 3


def pipeline(**more: Any) -> Pipeline:
    (made,) = normalize(
        [
            {
                "name": "rooms",
                "database": "house",
                "measurement": "climate",
                "fields": ["temperature", "humidity"],
                "group_by": ["room"],
                "window": f"{WINDOW_S}s",
                "aggregate": ["mean", "stddev"],
                **more,
            }
        ]
    )
    return made


MADE_FOR = {
    "plain": pipeline(),
    "settled": pipeline(fields=[{"name": "temperature", "min_deviation": 0.5}, "humidity"], missing="usual"),
}


def series(name: str, level: float, begin: int, count: int, seed: int) -> SeriesWindows:
    """Make windows of two fields around a level, with a daily rhythm; `begin` and `count` are numbers of windows."""
    at_s = BEGIN_S + (begin + np.arange(count)) * WINDOW_S
    points = np.random.default_rng(seed).normal(0.0, 1.0, (count, 12, 2))
    points += level + np.sin(2 * np.pi * at_s / 86_400)[:, None, None]
    mean, stddev = points.mean(axis=1), points.std(axis=1, ddof=1)
    values = np.stack([mean[:, 0], stddev[:, 0], mean[:, 1], stddev[:, 1]], axis=1)
    return SeriesWindows((name,), at_s * SECOND, values, np.full((count, 2), 12.0))


@cache
def trained(name: str = "plain") -> Model:
    parts = [series(f"known{number}", 20.0 + number, 0, TRAINED_DAYS * DAY, number) for number in range(6)]
    # A series with less than 50 windows has no baseline of its own.
    parts.append(series("hardly", 22.0, 0, 20, 90))
    return train(MADE_FOR[name], Windows.of_series(parts), "v", 0).model


class Bench:
    """A scorer, with what it counted and noticed."""

    def __init__(self, of: Pipeline | None = None) -> None:
        self.notices: list[tuple[Key, Notice]] = []
        self.events = EventCounter("rooms", lambda message: None)
        self.scorer = Scorer(of or pipeline(), self.events, lambda key, notice: self.notices.append((key, notice)))

    def feed(self, windows: SeriesWindows, model: Model | None = None) -> list[ScoredWindow]:
        return list(self.scorer.feed(model or trained(), windows))


def periods(scored: list[ScoredWindow]) -> set[int]:
    return {period.begin_ns for window in scored for period in window.periods}


def of(windows: SeriesWindows, first: int, last: int) -> SeriesWindows:
    number = np.arange(len(windows))
    return windows.where((number >= first) & (number < last))


def test_healthy_new_series_open_no_more_false_periods_than_known_ones() -> None:
    begin, days, count = TRAINED_DAYS * DAY, 3, 12
    known = sum(
        len(periods(Bench().feed(series(f"known{number % 6}", 20.0 + number % 6, begin, days * DAY, 100 + number))))
        for number in range(count)
    )
    levels = np.random.default_rng(5).uniform(-100.0, 200.0, count)
    new = sum(
        len(periods(Bench().feed(series(f"new{number}", level, begin, days * DAY, 200 + number))))
        for number, level in enumerate(levels.tolist())
    )
    assert new <= max(known, 1), f"{new} periods of {count} new series, {known} of known ones"


@pytest.mark.parametrize("name", ["new", "hardly"])
def test_a_warm_up_is_told_when_it_begins_and_ends_and_says_how_long_it_lasts(name: str) -> None:
    bench = Bench()
    windows = series(name, 300.0, TRAINED_DAYS * DAY, 2 * DAY, 7)
    bench.feed(of(windows, 0, 10))
    ((key, told),) = bench.notices
    assert (key, told.kind, told.state, told.begin_ns) == ((name,), "warm_up", "open", windows.begin_ns[0])
    assert "it warms up for 1d, and at least 50 windows" in told.text
    bench.feed(of(windows, 10, 2 * DAY))
    ((_, _), (_, over)) = bench.notices
    assert (over.state, over.begin_ns, over.end_ns) == ("closed", windows.begin_ns[0], windows.begin_ns[DAY - 1])
    assert bench.events.counts["warm-up windows"] == DAY


def test_during_the_warm_up_a_jump_is_found_and_the_level_is_not() -> None:
    windows = series("new", 500.0, TRAINED_DAYS * DAY, DAY // 2, 8)
    windows.values[60, 0] += 15.0
    scored = Bench().feed(windows)
    assert periods(scored) == {int(windows.begin_ns[60])}
    assert scored[60].verdict.contribution[0] > 0.8
    low, high = scored[59].verdict.expected_low[0], scored[59].verdict.expected_high[0]
    assert low < 500.0 + np.sin(2 * np.pi * windows.begin_ns[59] / SECOND / 86_400) < high


def test_after_the_warm_up_a_new_series_is_judged_by_its_own_level() -> None:
    windows = series("new", 500.0, TRAINED_DAYS * DAY, 3 * DAY, 9)
    # The level of the known series is a fault of this one.
    windows.values[2 * DAY : 2 * DAY + 6, 0] = 23.0
    begins = periods(Bench().feed(windows))
    assert int(windows.begin_ns[2 * DAY]) in begins


def test_known_series_never_warm_up() -> None:
    bench = Bench()
    bench.feed(series("known1", 21.0, TRAINED_DAYS * DAY, 20, 10))
    assert (bench.notices, bench.events.counts) == ([], {"scored windows": 20})


def test_window_by_window_and_together_are_judged_alike() -> None:
    windows = series("new", 77.0, TRAINED_DAYS * DAY, DAY + 40, 11)
    # A pause of two hours, and an incomplete field.
    windows = windows.where((np.arange(len(windows)) < 100) | (np.arange(len(windows)) >= 124))
    together = Bench().feed(windows)
    bench = Bench()
    one_by_one = [each for at in range(len(windows)) for each in bench.feed(of(windows, at, at + 1))]
    for one, other in zip(one_by_one, together, strict=True):
        np.testing.assert_allclose(one.verdict.score, other.verdict.score, rtol=0, atol=1e-9)
        np.testing.assert_allclose(one.verdict.expected_low, other.verdict.expected_low, rtol=0, atol=1e-9)


def together(parts: list[SeriesWindows], begin: int, end: int) -> Windows:
    """Return the windows of several series that begin from one of WINDOW_S up to before another, by time."""
    begins = (BEGIN_S + np.array([begin, end]) * WINDOW_S) * SECOND
    some = [part.where((part.begin_ns >= begins[0]) & (part.begin_ns < begins[1])) for part in parts]
    joined = Windows.of_series(some)
    return joined.take(np.lexsort((joined.series, joined.begin_ns)))


def feed_together(bench: Bench, model: Model, windows: Windows) -> dict[tuple[Key, int], Verdict]:
    return {
        (scored.key(at), int(scored.begin_ns[at])): verdict
        for scored in bench.scorer.feed_together(model, windows)
        for at, verdict in enumerate(scored.verdicts)
    }


def judged(verdict: Verdict) -> list[float]:
    return [
        verdict.score,
        verdict.severity,
        *verdict.value,
        *verdict.expected_low,
        *verdict.expected_high,
        *verdict.contribution,
        *verdict.features,
    ]


@pytest.mark.parametrize("name", ["plain", "settled"])
def test_newcomers_that_are_judged_together_are_judged_as_one_by_one(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    made_for, model, begin = MADE_FOR[name], trained(name), TRAINED_DAYS * DAY
    parts = [series(f"new{number}", 77.0 + 5.0 * number, begin + 3 * number, DAY + 30, number) for number in range(4)]
    parts.append(series("known1", 21.0, begin, DAY + 30, 10))
    # The first pauses for longer than what a window is compared with, the second lacks a field, the third jumps.
    parts[0] = parts[0].where((np.arange(DAY + 30) < 40) | (np.arange(DAY + 30) > 60))
    parts[1].values[50:55, 2:], parts[1].counts[50:55, 1] = np.nan, 0.0
    parts[2].values[90, 0] += 15.0
    # One by one while the scales are measured often, and again where the warm-ups end.
    ends = begin + np.cumsum([*[1] * 10, *[24] * 11, *[1, 3] * 15])
    steps = list(pairwise([begin, *ends.tolist()]))
    bench, alone = Bench(made_for), Bench(made_for)
    expected = {
        (part.key, each.begin_ns): each.verdict
        for first, last in steps
        for part in parts
        if len(some := together([part], first, last))
        for each in alone.feed(next(some.by_series()), model)
    }

    monkeypatch.delattr(Scorer, "feed")
    found = {
        key: verdict for step in steps for key, verdict in feed_together(bench, model, together(parts, *step)).items()
    }

    assert found.keys() == expected.keys()
    for key, verdict in found.items():
        np.testing.assert_allclose(judged(verdict), judged(expected[key]), rtol=1e-9, atol=1e-9, err_msg=str(key))
    assert bench.events.counts == alone.events.counts
    assert sorted(map(str, bench.notices)) == sorted(map(str, alone.notices))
    assert {notice.state for _, notice in bench.notices} == {"open", "closed"}


@pytest.mark.parametrize("first", [1, 4, 5, 6])
def test_how_many_windows_come_at_once_does_not_matter(first: int) -> None:
    windows = series("new", 77.0, TRAINED_DAYS * DAY, 12, 15)
    # Its own scale is greater than that of the others, so it matters when it is measured.
    windows.values[:] *= 10.0
    bench, other = Bench(), Bench()
    together = [*bench.feed(of(windows, 0, first)), *bench.feed(of(windows, first, 12))]
    one_by_one = [each for at in range(12) for each in other.feed(of(windows, at, at + 1))]
    assert [each.verdict.score for each in together] == [each.verdict.score for each in one_by_one]


@pytest.mark.parametrize("split", [30, DAY - 1, DAY + 20])
def test_a_restart_goes_on_with_the_warm_up_and_with_the_baseline(split: int) -> None:
    windows = series("new", 77.0, TRAINED_DAYS * DAY, DAY + 60, 12)
    through = Bench().feed(windows)
    before, after = Bench(), Bench()
    before.feed(of(windows, 0, split))
    after.scorer.restore(before.scorer.state())
    went_on = after.feed(of(windows, split, len(windows)))
    assert [each.verdict.score for each in went_on] == pytest.approx(
        [each.verdict.score for each in through[split:]], abs=1e-9
    )
    assert after.events.counts.get("lost memories", 0) == 0


def test_a_state_that_does_not_fit_is_refused() -> None:
    before = Bench()
    before.feed(series("new", 77.0, TRAINED_DAYS * DAY, 20, 13))
    state = before.scorer.state()
    state["newcomers_recent"] = state["newcomers_recent"][:, :, :2]
    with pytest.raises(ValueError, match=r"recent of newcomers has the shape \(1, 12, 2\) instead of \(1, 12, 4\)"):
        Bench().scorer.restore(state)


def test_a_forgotten_newcomer_warms_up_anew() -> None:
    bench = Bench()
    bench.feed(series("new", 77.0, TRAINED_DAYS * DAY, 20, 14))
    bench.scorer.forget(("new",))
    bench.feed(series("new", 90.0, TRAINED_DAYS * DAY + 20, 20, 14))
    assert [notice.state for _, notice in bench.notices] == ["open", "closed", "open"]
    (_, opened), (_, closed), _ = bench.notices
    assert (closed.kind, closed.begin_ns, closed.count) == ("warm_up", opened.begin_ns, 20)
    assert closed.text == "the warm-up ends after 20 windows without a baseline: the series is forgotten"


def test_a_model_that_knows_the_series_ends_its_warm_up() -> None:
    bench = Bench()
    bench.feed(series("new", 22.0, TRAINED_DAYS * DAY, 20, 16))
    rules = trained().newcomers
    assert rules is not None
    knows = replace(trained(), version="v2", newcomers=replace(rules, is_newcomer=np.zeros_like(rules.is_newcomer)))
    bench.feed(series("new", 22.0, TRAINED_DAYS * DAY + 20, 20, 17), knows)
    assert [notice.state for _, notice in bench.notices] == ["open", "closed"]
    assert bench.notices[1][1].text.endswith("model v2 judges the series without one")


@pytest.mark.parametrize("is_prepared", [True, False])
def test_a_model_that_knows_the_series_of_a_restored_state_ends_its_warm_up(is_prepared: bool) -> None:
    before, bench = Bench(), Bench()
    before.feed(series("new", 22.0, TRAINED_DAYS * DAY, 20, 16))
    rules = trained().newcomers
    assert rules is not None
    knows = replace(trained(), version="v2", newcomers=replace(rules, is_newcomer=np.zeros_like(rules.is_newcomer)))
    if is_prepared:
        bench.scorer.prepare(knows)

    bench.scorer.restore(before.scorer.state())
    bench.scorer.prepare(knows)

    assert [(notice.kind, notice.state) for _, notice in bench.notices] == [("warm_up", "closed")]


def test_a_newcomer_that_makes_room_ends_its_warm_up() -> None:
    notices: list[tuple[Key, Notice]] = []
    (small,) = normalize([{**pipeline().as_dict(), "memory": "8MiB"}])
    scorer = Scorer(
        small, EventCounter("rooms", lambda message: None), lambda key, notice: notices.append((key, notice))
    )
    number = 0
    while not any(notice.state == "closed" for _, notice in notices):
        list(scorer.feed(trained(), series(f"new{number}", 22.0, TRAINED_DAYS * DAY, 1, 18)))
        number += 1
    ended = [(key, notice.text) for key, notice in notices if notice.state == "closed"]
    assert [key for key, _ in ended] == [("new0",)]
    assert "`memory` has no room for it" in ended[0][1]


def test_trends_of_known_series_do_not_move_new_ones() -> None:
    model = trained()
    slopes = np.full((8, 4), 5.0)
    slopes[0] = 0.0
    begin_ns, count = BEGIN_S * SECOND, DAY + 10
    rising = replace(model, trend=Trend(slopes, begin_ns, begin_ns + TRAINED_DAYS * DAY * WINDOW_S * SECOND))
    both = [series(name, 50.0, TRAINED_DAYS * DAY, count, seed) for seed, name in enumerate(("new1", "new2"))]
    windows = Windows(
        tuple(each.key for each in both),
        np.repeat([0, 1], count),
        np.concatenate([each.begin_ns for each in both]),
        np.concatenate([each.values for each in both]),
        np.concatenate([each.counts for each in both]),
    )

    plain, risen = (
        [score for each in Bench().scorer.feed_together(of_model, windows) for score in each.verdicts.score.tolist()]
        for of_model in (model, rising)
    )

    assert len(plain) == 2 * count
    assert plain == risen
