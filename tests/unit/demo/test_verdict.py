import pytest

from anomaly.backtest.evaluate import FoundPeriod
from anomaly.scoring.periods import NO_DATA, Period
from demo.verdict import DemoVerdict
from demo.verdict import compare as compare_all
from ingest.faults import Fault

WINDOW_MS = 10_000
SECOND_NS = 1_000_000_000
DAY_MS = 86_400_000


def compare(
    faults: list[Fault], periods: list[FoundPeriod], window_ms: int, length_ms: int, allowed_false: int = 1
) -> DemoVerdict:
    """Compare as if each window had a score."""
    return compare_all(faults, periods, window_ms, length_ms, {"printer-1": 9}, {"printer-1": 9}, allowed_false)


def fault(begin_s: int, end_s: int, printer: int = 1, name: str = "F01") -> Fault:
    return Fault(name, "offset", printer, ("bed",), begin_s * 1_000, end_s * 1_000, 3.0)


def period(begin_s: int, end_s: int, printer: int = 1, severity: float = 80.0, reason: str = "bed") -> FoundPeriod:
    found = Period(begin_s * SECOND_NS, end_s * SECOND_NS, "closed", 0.7, severity, 1, reason)
    known_s = end_s if reason == NO_DATA else begin_s + WINDOW_MS // 1_000
    return FoundPeriod((f"printer-{printer}",), found, known_s * SECOND_NS)


@pytest.mark.parametrize(
    ("begin_s", "end_s", "found"),
    [
        (100, 200, True),
        (0, 110, True),  # it begins before and reaches into the fault
        (90, 100, False),  # it ends where the fault begins
        (150, 160, True),
        (50, 500, True),
        (200, 210, True),  # the window after the fault's end
        (210, 220, True),
        (220, 230, False),  # more than two windows after the fault's end
    ],
)
def test_a_fault_is_found_by_a_period_that_overlaps_it_or_follows_closely(
    begin_s: int, end_s: int, found: bool
) -> None:
    verdict = compare([fault(100, 200)], [period(begin_s, end_s)], WINDOW_MS, DAY_MS)
    assert verdict.outcomes[0].found is found
    assert len(verdict.false) == (0 if found else 1)


def test_a_period_of_another_printer_finds_nothing_and_is_false() -> None:
    verdict = compare([fault(100, 200)], [period(100, 200, printer=2)], WINDOW_MS, DAY_MS)
    assert not verdict.outcomes[0].found
    assert len(verdict.false) == 1
    assert verdict.problems == ("F01 (offset on printer-1) was missed",)


def test_printer_1_is_not_printer_10() -> None:
    verdict = compare([fault(100, 200, printer=1)], [period(100, 200, printer=10)], WINDOW_MS, DAY_MS)
    assert not verdict.outcomes[0].found


def test_delay_ends_with_the_first_window_that_tells() -> None:
    periods = [period(180, 190), period(130, 150)]
    assert compare([fault(103, 200)], periods, WINDOW_MS, DAY_MS).outcomes[0].delay_ms == 37_000


def test_a_period_without_data_is_known_at_its_end() -> None:
    outcome = compare([fault(100, 400)], [period(100, 400, severity=0.0, reason=NO_DATA)], WINDOW_MS, DAY_MS).outcomes[
        0
    ]
    assert outcome.delay_ms == 300_000


def test_a_period_that_was_there_before_has_no_delay() -> None:
    assert compare([fault(100, 200)], [period(0, 150)], WINDOW_MS, DAY_MS).outcomes[0].delay_ms == 0


def test_the_worst_period_gives_severity_and_reason() -> None:
    periods = [period(100, 110, severity=71.0), period(150, 160, severity=93.0, reason="air")]
    worst = compare([fault(100, 200)], periods, WINDOW_MS, DAY_MS).outcomes[0].worst
    assert worst is not None
    assert (worst.period.peak_severity, worst.period.reason) == (93.0, "air")


def test_a_period_without_data_that_overlaps_no_fault_is_false() -> None:
    verdict = compare([], [period(100, 400, severity=0.0, reason=NO_DATA)], WINDOW_MS, DAY_MS)
    assert [found.period.reason for found in verdict.false] == [NO_DATA]


def test_one_period_may_tell_of_two_faults() -> None:
    faults = [fault(100, 200, name="F01"), fault(250, 300, name="F02")]
    verdict = compare(faults, [period(100, 300)], WINDOW_MS, DAY_MS)
    assert verdict.found == 2
    assert not verdict.false


def test_false_periods_are_counted_a_day_and_forgiven_up_to_a_number() -> None:
    periods = [period(100, 110), period(1_000, 1_010), period(2_000, 2_010)]
    verdict = compare([fault(100, 110)], periods, WINDOW_MS, DAY_MS // 2)
    assert [found.period.begin_ns for found in verdict.false] == [1_000 * SECOND_NS, 2_000 * SECOND_NS]
    assert verdict.false_per_day == 4.0
    assert verdict.problems == ("2 false periods, where at most 1 is allowed",)
    assert compare([fault(100, 110)], periods, WINDOW_MS, DAY_MS, allowed_false=2).problems == ()
    assert compare([fault(100, 110)], periods[:2], WINDOW_MS, DAY_MS).problems == ()


def test_all_reasons_are_told_at_once() -> None:
    faults = [fault(100, 110, name="F01"), fault(500, 510, name="F02")]
    verdict = compare(faults, [period(2_000, 2_010), period(3_000, 3_010)], WINDOW_MS, DAY_MS)
    assert len(verdict.problems) == 3


def test_a_clean_day_is_good() -> None:
    verdict = compare([], [], WINDOW_MS, DAY_MS)
    assert (verdict.found, verdict.false_per_day, verdict.problems) == (0, 0.0, ())


def test_windows_without_a_score_are_a_problem() -> None:
    complete = {"printer-1": 8_640, "printer-2": 8_610}
    verdict = compare_all([], [], WINDOW_MS, DAY_MS, complete, {"printer-1": 8_600, "printer-2": 8_612})
    assert verdict.unscored == 40, "more scores than complete windows do not make up for another printer's"
    assert verdict.problems[0].startswith("40 of 17,250 complete windows have no score")
    assert compare_all([], [], WINDOW_MS, DAY_MS, complete, {"printer-1": 8_640}).unscored == 8_610
    assert not compare_all([], [], WINDOW_MS, DAY_MS, complete, complete).problems
