"""Up to where severity means what it says, and what speaks against it."""

import numpy as np
import pytest

from anomaly.models.features import Feature
from anomaly.training.changes import level_changes
from anomaly.training.promise import added_up, promise
from anomaly.windows.arrays import Floats
from anomaly.windows.windows import Windows

HOUR = 3_600_000_000_000
MEAN = [Feature("used", "mean")]
RNG = np.random.default_rng(0)


def history(values: Floats) -> Windows:
    count = len(values)
    begin_ns = np.arange(count) * HOUR
    return Windows((("a",),), np.zeros(count, dtype=np.intp), begin_ns, values[:, None], np.ones((count, 1)))


def doubts(values: Floats, scores: Floats) -> tuple[str, ...]:
    windows = history(values)
    return promise(windows, np.arange(len(values)), scores, 24.0, level_changes(windows, MEAN)).doubts


def test_a_history_tells_of_ten_times_its_length() -> None:
    calm = RNG.normal(0.0, 1.0, 240)

    promised = promise(history(calm), np.arange(240), RNG.exponential(1.0, 240), 24.0)

    assert promised.until == pytest.approx(75.0)
    assert [*promised.lines(75.0)] == []
    (line,) = promised.lines(87.5)
    assert line == (
        "this history tells how rare a score is up to severity 75, once in 100 days of a series; periods open at 87.5, "
        "once in 2.7 years, which is extrapolated"
    )
    assert promised.record.to_json() == {"until": 75.0, "doubts": []}


@pytest.mark.parametrize(
    ("periods", "series_days", "is_doubt"), [(1, 1.0, False), (2, 1.0, True), (3, 100.0, False), (4, 100.0, True)]
)
def test_windows_of_the_history_that_add_up_too_often_are_a_doubt(
    periods: int, series_days: float, is_doubt: bool
) -> None:
    assert len([*added_up(periods, series_days, 75.0)]) == is_doubt


def test_the_doubt_says_how_often_windows_add_up_and_what_is_meant() -> None:
    assert [*added_up(3, 42.0, 75.0)] == [
        "odd windows add up to 3 periods in 42 days of a series, and severity 75 is meant once in 100 days"
    ]


def test_a_level_that_changed_for_good_is_a_doubt() -> None:
    level = np.repeat([20.0, 24.0], [24 * 6, 24 * 8])
    (doubt,) = doubts(level + RNG.normal(0.0, 0.1, len(level)), RNG.exponential(1.0, len(level)))
    assert doubt == "the level of mean(used) of a changed for good about 1970-01-07T00:00Z"


@pytest.mark.parametrize(
    "level",
    [
        np.repeat([5.0, 5.0, 5.0, 5.0, 5.0, 1.0, 1.0] * 2, 24),
        10.0 * np.sin(np.arange(24 * 14) * 2 * np.pi / 24),
        np.zeros(24 * 14),
    ],
    ids=["a week", "a rhythm", "noise"],
)
def test_what_comes_again_is_none(level: Floats) -> None:
    assert doubts(level + RNG.normal(0.0, 0.1, len(level)), RNG.exponential(1.0, len(level))) == ()


def test_halves_of_a_history_that_differ_are_a_doubt() -> None:
    scores = RNG.exponential(1.0, 24 * 14)
    scores[24 * 7 :] *= 4.0
    (doubt,) = doubts(RNG.normal(0.0, 1.0, len(scores)), scores)
    assert doubt.startswith("scores that came 20 times in one half of the history came ")
    assert doubt.endswith(" times in the second half")


def regular(window_ns: int, count: int, series: int = 1) -> tuple[str, ...]:
    """Return the doubts in a calm history of this many windows of each series."""
    begin_ns = np.tile(np.arange(count) * window_ns, series)
    number = np.repeat(np.arange(series), count)
    keys = tuple((str(each),) for each in range(series))
    windows = Windows(keys, number, begin_ns, np.zeros((len(number), 1)), np.ones((len(number), 1)))
    scores = np.random.default_rng(1).exponential(1.0, len(number))
    return promise(windows, np.arange(len(number)), scores, 24 * HOUR / window_ns).doubts


@pytest.mark.parametrize(("hours", "is_doubt"), [(16, True), (22, True), (23, False), (24, False)])
def test_a_history_that_has_not_seen_a_whole_day_is_a_doubt_with_what_to_do(hours: int, is_doubt: bool) -> None:
    told = (
        f"the history covers {hours} hours, and hours that it has not seen may differ; what goes on for twice as long, "
        "or for a day, becomes usual, unless periods.new_level is longer: train again on two days or more "
        "(training.from, --from) once "
        "there are as many"
    )
    assert regular(HOUR // 12, 12 * hours) == ((told,) if is_doubt else ())


@pytest.mark.parametrize(("count", "begins"), [(11, "the history covers 22 hours"), (12, "a series has 12 windows")])
def test_the_last_window_of_a_history_counts_with_its_length(count: int, begins: str) -> None:
    (doubt,) = regular(2 * HOUR, count)
    assert doubt.startswith(begins)


@pytest.mark.parametrize(("count", "is_doubt"), [(112, True), (199, True), (200, False)])
@pytest.mark.parametrize("series", [1, 10])
def test_few_windows_of_a_series_are_a_doubt_with_what_to_do(count: int, series: int, is_doubt: bool) -> None:
    told = (
        f"a series has {count} windows in this history, in the median, and with fewer than 200 usual windows open "
        "periods: train on a longer history (training.from, --from), or make `window` shorter"
    )
    assert regular(6 * HOUR, count, series) == ((told,) if is_doubt else ())


def test_what_is_known_already_is_said_first() -> None:
    calm = RNG.normal(0.0, 1.0, 240)
    promised = promise(history(calm), np.arange(240), RNG.exponential(1.0, 240), 24.0, known=["it rises"])
    assert [*promised.lines(50.0)] == ["severity cannot be promised to mean what it says: it rises"]
