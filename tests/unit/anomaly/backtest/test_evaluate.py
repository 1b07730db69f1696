"""The figures of a backtest: which period finds which label, how late, and for how long."""

from dataclasses import astuple

import pytest

from anomaly.backtest.labels import Label, of_marks
from anomaly.scoring.feedback import FALSE_ALARM, MAINTENANCE, TRUE, Mark
from anomaly.scoring.periods import NO_DATA
from tests.unit.anomaly.backtest.made import W, evaluated, found, judged
from tests.unit.anomaly.printers import PIPELINE


def test_figures_are_over_events() -> None:
    labels = [Label(100 * W, 110 * W, {}), Label(200 * W, 210 * W, {}, "drift"), Label(300 * W, 310 * W, {})]
    result = judged(labels, [found(100, 104), found(106, 111), found(204, 220, known=207), found(400, 401)])
    assert [len(outcome.found) for outcome in result.outcomes] == [2, 1, 0]
    assert (result.found, len(result.true), len(result.false)) == (2, 3, 1)
    assert result.recall == pytest.approx(2 / 3)
    assert result.precision == 3 / 4
    assert result.f1 == pytest.approx(2 * (2 / 3) * (3 / 4) / (2 / 3 + 3 / 4))
    # One window to know of the first, eight of the second.
    assert result.delay_windows == 4.5
    assert result.false_per_day == 1.0
    # The last of the first ended one window late, the second ten.
    assert result.overrun_windows == 5.5
    assert {kind: astuple(figures) for kind, figures in result.by_kind().items()} == {
        "": (2, 1, 1.0, 1.0, 0.4),
        "drift": (1, 1, 8.0, 10.0, 0.6),
    }


@pytest.mark.parametrize(
    ("begin", "end", "hit"), [(90, 100, False), (90, 101, True), (109, 120, True), (111, 112, True), (112, 113, False)]
)
def test_a_period_finds_what_it_overlaps_or_follows_closely(begin: int, end: int, hit: bool) -> None:
    assert judged([Label(100 * W, 110 * W, {})], [found(begin, end)]).found == hit


def test_a_period_that_was_there_before_has_no_delay() -> None:
    assert judged([Label(100 * W, 110 * W, {})], [found(90, 120)]).delay_windows == 0


def test_a_period_that_ends_before_its_label_has_no_overrun() -> None:
    assert judged([Label(100 * W, 110 * W, {})], [found(100, 104)]).overrun_windows == 0


@pytest.mark.parametrize(
    ("periods", "coverage"),
    [
        ([], 0.0),
        ([(100, 110)], 1.0),
        ([(90, 120)], 1.0),
        ([(104, 120)], 0.6),
        # What two periods cover counts once, and what lies between them does not count.
        ([(90, 102), (101, 104), (108, 120)], 0.6),
        ([(100, 108), (102, 104)], 0.8),
        # A period that follows closely finds the label, and covers nothing of it.
        ([(111, 115)], 0.0),
    ],
)
def test_coverage_is_the_part_of_a_label_inside_of_its_periods(periods: list[tuple[int, int]], coverage: float) -> None:
    result = judged([Label(100 * W, 110 * W, {})], [found(*each) for each in periods])
    assert result.outcomes[0].coverage == pytest.approx(coverage)
    assert result.coverage == pytest.approx(coverage)


def test_a_long_label_weighs_as_much_as_its_length_in_the_coverage() -> None:
    labels = [Label(100 * W, 110 * W, {}), Label(200 * W, 230 * W, {}), Label(300 * W, 310 * W, {})]
    assert judged(labels, [found(100, 110), found(200, 215)]).coverage == 0.5
    assert judged([], [found(1, 2)]).coverage is None


def test_a_label_means_the_series_of_its_tags() -> None:
    periods = [found(100, 101, ("printer-2",))]
    assert judged([Label(100 * W, 110 * W, {"printer": "printer-1"})], periods).found == 0
    assert judged([Label(100 * W, 110 * W, {"printer": "printer-2"})], periods).found == 1
    assert judged([Label(100 * W, 110 * W, {})], periods).found == 1


def test_silence_is_no_false_alarm_but_finds_a_gap() -> None:
    silence = [found(100, 120, reason=NO_DATA), found(500, 520, reason=NO_DATA)]
    result = judged([Label(100 * W, 120 * W, {})], silence)
    assert (result.found, result.false, len(result.silent), result.precision) == (1, (), 1, 1.0)


def test_without_labels_there_is_no_recall_nor_precision() -> None:
    result = judged([], [found(1, 2)])
    assert (result.recall, result.precision, result.f1, result.delay_windows) == (None, None, None, None)
    assert result.false_per_day == 1.0


def test_where_not_all_is_known_only_known_false_alarms_are_false() -> None:
    marks = [
        Mark(TRUE, 100 * W, 110 * W, {"printer": "printer-1"}),
        Mark(FALSE_ALARM, 200 * W, 210 * W, {}),
        Mark(FALSE_ALARM, 300 * W, 310 * W, {"printer": "printer-2"}),
        Mark(TRUE, 400 * W, 410 * W, {"hall": "a tag that the pipeline had once"}),
        Mark(MAINTENANCE, 500 * W, 510 * W, {}),
    ]
    periods = [found(at, at + 2) for at in (100, 200, 300, 400)] + [found(600, 620, reason=NO_DATA)]
    result = evaluated(of_marks(marks, PIPELINE), periods)
    assert [bool(outcome.found) for outcome in result.outcomes] == [True, False]
    assert (len(result.alarms), result.repeated) == (2, 1)
    counts = [len(those) for those in (result.true, result.false, result.unjudged, result.silent)]
    assert counts == [1, 1, 2, 1]
    assert (result.recall, result.precision, result.false_per_day, result.unjudged_per_day) == (0.5, 0.5, 1.0, 2.0)
