"""The sentences of a report."""

import pytest

from anomaly.report.read import ReportedSeries
from anomaly.report.summary import field_of, headline, sentences
from anomaly.scoring.periods import NO_DATA
from anomaly.scoring.wording import TOGETHER
from tests.unit.anomaly.report.made import SPAN, overview, period, pipeline


def test_the_sentences_say_how_much_there_was_and_what_was_worst() -> None:
    of = overview(period(), period(("p2",), 7_200, peak_severity=80.0, reason="air", is_open=True))

    assert sentences(of, plotted=2) == [
        (
            "From 2026-01-01 00:00:00 UTC to 2026-01-02 00:00:00 UTC, 172,800 windows of 2 series were scored, and 600 "
            "of them (0.35 %) were anomalous."
        ),
        "There are 2 anomalous periods in 2 series; 1 of them is open.",
        "The worst one is of printer=p1: it began at 2026-01-01 01:00:00 UTC and lasted for 10m0s.",
        "The reason is bed, and the highest severity 97.5, which a series reaches once in 17 years.",
        "At 2026-01-01 01:00:00 UTC bed was 97 °C, above the expected 88 to 92 °C.",
        "Reasons of periods: bed 1, air 1.",
    ]


def test_windows_that_are_rare_together_have_no_rarity_of_one() -> None:
    cause = f"76 {TOGETHER} 75, each of them at most 34.0"
    text = f"anomalous from 2026-01-01 for 1h, because of bed, {cause}; at 2026-01-01 01:00:00 UTC bed was 97 °C"

    said = sentences(overview(period(peak_severity=34.04, text=text)), plotted=2)

    assert f"The reason is bed: {cause}." in said
    assert "At 2026-01-01 01:00:00 UTC bed was 97 °C." in said


def test_a_calm_range_is_said_to_be_calm() -> None:
    assert sentences(overview(), plotted=2)[1:] == ["There is no anomalous period."]


def test_a_range_without_results_is_one_sentence() -> None:
    of = overview(windows=0, anomalous=0, series=0, worst=None, worst_series=())

    assert sentences(of, 0) == [
        "There are no scores and no periods from 2026-01-01 00:00:00 UTC to 2026-01-02 00:00:00 UTC."
    ]


def test_a_silence_has_no_severity() -> None:
    said = " ".join(sentences(overview(period(reason=NO_DATA, peak_severity=0.0, text="no data")), 2))

    assert "The series had no data." in said
    assert "severity" not in said


def test_an_open_period_lasts_until_the_end_of_the_range() -> None:
    said = " ".join(sentences(overview(period(is_open=True, end_ns=SPAN.end_ns)), 2))

    assert "has lasted for 23h0m0s by the end of the range" in said


def test_periods_and_series_that_are_left_out_are_said() -> None:
    said = " ".join(sentences(overview(period(), all_periods=5_000, series=10_000), plotted=8))

    assert "5,000 anomalous periods, of which this report has the newest 2,000" in said
    assert "Plotted are the 8 worst of 10,000 series." in said
    assert "ask for this pipeline alone" in " ".join(sentences(overview(period()), plotted=0))


def test_a_name_cannot_write_markup() -> None:
    key = ("<b>\x1b[2J",)
    of = overview(period(key), worst_series=(ReportedSeries(key, 1.0),))

    assert not {"<", ">", "\x1b"} & set(" ".join(sentences(of, 1)))


@pytest.mark.parametrize(
    ("reason", "field"), [("bed above 95", "bed above its limit"), ("bed", "bed"), (NO_DATA, NO_DATA), ("", "unknown")]
)
def test_the_limits_of_a_field_count_as_one_reason(reason: str, field: str) -> None:
    assert field_of(reason) == field


def test_the_title_names_the_only_pipeline_or_counts_them() -> None:
    assert headline([overview(period())]) == "printer: 1 anomalous period"
    assert headline([overview(), overview(of=pipeline(name="b"))]) == "2 pipelines: 0 anomalous periods"
