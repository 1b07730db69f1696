"""The rate of a series' points: by what windows are measured, and what people are told."""

import json

import numpy as np
import pytest

from anomaly.models.model import Model
from anomaly.scoring.notices import Notice
from anomaly.scoring.rate import LAST_WINDOWS, PointRate, PointRates, scorable_at_rate
from anomaly.scoring.series_table import SeriesTable
from anomaly.windows.arrays import Floats, Ints, rounds
from anomaly.windows.series import SeriesWindows
from tests.unit.anomaly import printers

W = 10
TRAINED = np.array([6.0, 6.0])


def take(
    rate: PointRate, first: int, counts: list[list[float]], *, is_known: bool = True
) -> tuple[Floats, list[Notice]]:
    begin_ns = (first + np.arange(len(counts), dtype=np.int64)) * W
    return rate.take(begin_ns, np.array(counts), TRAINED, is_known=is_known)


def test_usual_windows_are_measured_by_training() -> None:
    measures, notices = take(PointRate("ab"), 0, [[6.0, 7.0]] * 30)
    np.testing.assert_array_equal(measures, np.broadcast_to(TRAINED, (30, 2)))
    assert notices == []


def test_a_lower_rate_is_the_measure_once_it_is_the_median() -> None:
    rate = PointRate("ab")
    take(rate, 0, [[6.0, 6.0]] * 20)
    measures, _ = take(rate, 20, [[2.0, 6.0]] * 20)
    assert measures[:6, 0].tolist() == [6.0] * 6
    assert measures[7:, 0].tolist() == [2.0] * 13
    assert (measures[:, 1] == 6.0).all()


def test_a_higher_rate_is_no_measure() -> None:
    rate = PointRate("ab")
    measures, _ = take(rate, 0, [[20.0, 20.0]] * 20)
    assert (measures == 6.0).all()


def test_a_changed_rate_is_told_once_and_closed_when_it_is_back() -> None:
    rate = PointRate("ab")
    take(rate, 0, [[6.0, 6.0]] * 20)
    _, opened = take(rate, 20, [[2.0, 2.0]] * 30)
    _, closed = take(rate, 50, [[6.0, 6.0]] * 30)
    text = "2 points a window, training saw 6"
    assert opened == [Notice("rate", 20 * W, 26 * W, "open", text, 2)]
    assert closed == [Notice("rate", 20 * W, (49 + LAST_WINDOWS // 2) * W, "closed", text, 2)]


def test_a_rate_that_changes_again_is_another_notice_and_leaves_the_first_one_closed() -> None:
    rate = PointRate("ab")
    _, notices = take(rate, 0, [[2.0, 2.0]] * 7 + [[6.0, 6.0]] * 6 + [[2.0, 2.0]] * 7)
    assert [(notice.state, notice.begin_ns) for notice in notices] == [("open", 0), ("closed", 0), ("open", 13 * W)]


def test_a_field_that_changed_alone_is_named() -> None:
    rate = PointRate(["bed", "air"])
    _, (opened,) = take(rate, 0, [[6.0, 15.0]] * 12)
    assert opened.text == "15 points of air a window, training saw 6"


def test_a_missing_field_is_no_rate() -> None:
    rate = PointRate("ab")
    measures, notices = take(rate, 0, [[6.0, 6.0]] * 20 + [[6.0, 0.0]] * 20)
    assert notices == []
    assert measures[-1].tolist() == [6.0, 6.0]


def test_a_series_that_training_has_not_seen_has_no_notice() -> None:
    assert take(PointRate("ab"), 0, [[2.0, 2.0]] * 30, is_known=False)[1] == []


def test_a_model_that_does_not_know_the_series_closes_its_notice() -> None:
    rate = PointRate("ab")
    (opened,) = take(rate, 0, [[2.0, 2.0]] * 12)[1]
    closed = take(rate, 12, [[2.0, 2.0]] * 3, is_known=False)[1]
    assert closed == [Notice("rate", opened.begin_ns, 12 * W, "closed", opened.text, opened.count)]


def test_a_state_goes_on() -> None:
    counts = [[6.0, 6.0]] * 8 + [[2.0, 6.0]] * 20 + [[6.0, 0.0]] * 3 + [[6.0, 6.0]] * 20
    whole = PointRate("ab")
    expected, told = take(whole, 0, counts)
    for cut in (3, 12, 20, 30, 35):
        rate = PointRate("ab")
        before, first = take(rate, 0, counts[:cut])
        resumed = PointRate.from_state("ab", json.loads(json.dumps(rate.state())))
        after, second = take(resumed, cut, counts[cut:])
        np.testing.assert_array_equal(np.concatenate([before, after]), expected)
        assert first + second == told


def taken(rates: PointRates, row: Ints, first: int, counts: Floats) -> tuple[Floats, list[tuple[int, Notice]]]:
    """Let the next windows of several known series be taken into account together; all begin at one window."""
    parts = rounds(row)
    begin_ns = np.zeros(len(row), dtype=np.int64)
    for number, part in enumerate(parts):
        begin_ns[part] = (first + number) * W
    trained = np.broadcast_to(TRAINED, counts.shape)
    return rates.take(row, begin_ns, counts, trained, np.ones(len(row), dtype=np.bool_), parts)


@pytest.mark.parametrize("at_once", [1, 4])
def test_rates_that_are_taken_together_are_those_of_each(at_once: int) -> None:
    generator, series, count = np.random.default_rng(3), 20, 80
    # Rates that change now and then, and fields that are missing.
    levels = np.repeat(generator.choice([1.0, 2.0, 6.0, 6.0, 6.0, 7.0, 20.0], (series, count // 16, 2)), 16, axis=1)
    counts = np.where(generator.random((series, count, 2)) < 0.05, 0.0, levels)
    table = SeriesTable(series)
    rates, row = PointRates(table, "ab"), table.rows([(str(number),) for number in range(series)])
    expected: list[tuple[int, Notice]] = []
    measured = np.empty_like(counts)
    for number in range(series):
        alone = PointRate("ab")
        for at in range(count):
            measured[number, at : at + 1], told = take(alone, at, counts[number, at : at + 1].tolist())
            expected += ((number, notice) for notice in told)

    found: list[tuple[int, Notice]] = []
    for first in range(0, count, at_once):
        some = counts[:, first : first + at_once]
        measures, notices = taken(rates, np.repeat(row, at_once), first, some.reshape(-1, 2))
        np.testing.assert_array_equal(measures, measured[:, first : first + at_once].reshape(-1, 2))
        found += ((at // at_once, notice) for at, notice in notices)

    def order(each: tuple[int, Notice]) -> tuple[int, int, int]:
        return each[0], each[1].begin_ns, each[1].end_ns

    assert sorted(found, key=order) == sorted(expected, key=order)
    assert {notice.state for _, notice in found} == {"open", "closed"}


def test_rates_of_many_series_are_those_of_each() -> None:
    table = SeriesTable(3)
    rates, row = PointRates(table, "ab"), table.rows([("x",), ("y",)])
    usual, slower = [[6.0, 6.0], [7.0, 0.0], [6.0, 5.0]] * 6, [[6.0, 6.0]] * 8 + [[2.0, 6.0]] * 10
    counts = np.stack([usual, slower], axis=1).reshape(-1, 2)
    alone = PointRate("ab")
    _, expected = take(alone, 0, slower)

    taken(rates, row[[0] * 8], 0, counts[0:16:2])
    taken(rates, row[np.tile([0, 1], 8)], 0, counts[:16])
    rate = rates.of(int(row[1]))
    _, notices = take(rate, 8, slower[8:])
    rates.keep(int(row[1]), rate)

    assert notices == expected
    assert rates.are_usual(row).tolist() == [True, False]
    other = PointRate("ab")
    take(other, 0, usual[:8])
    take(other, 8, usual[:8])
    assert rates.of(int(row[0])).state() == other.state()
    resumed = PointRates(table, "ab")
    resumed.restore(row, resumed.read(rates.state(row)))
    assert [resumed.of(int(one)).state() for one in row] == [other.state(), alone.state()]
    assert resumed.are_usual(row).tolist() == [True, False]


def test_rates_of_other_fields_are_refused() -> None:
    table = SeriesTable(1)
    row = table.rows([("x",)])
    state = PointRates(table, "ab").state(row)
    with pytest.raises(ValueError, match="for 3 fields"):
        PointRates(table, "abc").read(state)


def test_windows_at_a_lower_rate_are_scorable_and_those_at_the_change_are_not(model: Model) -> None:
    (series,) = printers.runs(printers.windows(printers.clean(31, 40 * printers.WINDOW)))
    usual = model.usual_points(series.key)
    slower = np.where(np.arange(40)[:, None] < 20, usual, np.floor(usual / 5))
    windows = SeriesWindows(series.key, series.begin_ns, series.values, slower)
    rate = PointRate(printers.PIPELINE.fields)
    mask = np.concatenate(
        [
            scorable_at_rate(printers.PIPELINE, model, rate, windows.where(np.isin(np.arange(40), part)))[0].mask
            for part in (range(25), range(25, 40))
        ]
    )
    assert mask[:20].all()
    assert not mask[20:26].any()
    assert mask[27:].all()
