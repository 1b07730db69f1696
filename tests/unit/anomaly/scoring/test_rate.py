"""The rate of a series' points: by what windows are measured, and what people are told."""

import json

import numpy as np

from anomaly.models.model import Model
from anomaly.scoring.notices import Notice
from anomaly.scoring.rate import LAST_WINDOWS, PointRate, scorable_at_rate
from anomaly.windows.arrays import Floats
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
