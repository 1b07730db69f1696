"""What people read of a period."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from anomaly.pipeline import Pipeline, normalize
from anomaly.scoring.periods import NEW_LEVEL, NO_DATA, FieldMoment, Moment, Period
from anomaly.scoring.wording import MOST_CHARACTERS, duration_text, period_text, plain, safe_series

SECOND = 1_000_000_000
BEGIN = 1_704_067_220 * SECOND
NAN = float("nan")
HOTEND = FieldMoment("hotend", 231.42, 205.0, 210.0, 0.8)


def pipeline(**changes: Any) -> Pipeline:
    fields = [{"name": "hotend", "unit": "°C"}, "bed", "air"]
    return normalize(
        [{"name": "p", "database": "db", "measurement": "m", "fields": fields, "window": "10s", **changes}]
    )[0]


def period(*fields: FieldMoment, **changes: Any) -> Period:
    moment = Moment(BEGIN + 20 * SECOND, fields) if fields else None
    known: dict[str, Any] = {"state": "open", "peak_score": 9.0, "peak_severity": 90.0, "points": 3, "reason": "hotend"}
    return Period(BEGIN, BEGIN + 70 * SECOND, moment=moment, **{**known, **changes})


def test_an_open_period_says_since_when_how_rare_and_which_fields_moved() -> None:
    bed, air = FieldMoment("bed", 50.0, 58.25, 62.0, 0.15), FieldMoment("air", 25.0, 24.0, 26.0, 0.05)

    assert period_text(pipeline(), period(HOTEND, bed, air)) == (
        "anomalous since 2024-01-01 00:00:20 UTC, because of hotend, peak severity 90.0: once in 4.3 years; "
        "at 2024-01-01 00:00:40 UTC hotend was 231.4 °C, above the expected 205 to 210 °C; "
        "bed was 50, below the expected 58.2 to 62"
    )


def test_a_closed_period_says_from_when_and_how_long() -> None:
    text = period_text(pipeline(), period(state="closed", peak_severity=100.0))

    assert text == (
        "anomalous from 2024-01-01 00:00:20 UTC for 1m10s, because of hotend, peak severity 100.0: once in 27 years or "
        "more rarely"
    )


def test_windows_that_open_a_period_together_are_counted_instead_of_a_rarity_of_one() -> None:
    text = period_text(pipeline(), period(peak_severity=34.04, points=76))

    assert text == (
        "anomalous since 2024-01-01 00:00:20 UTC, because of hotend, 76 windows that are as rare together as severity "
        "75, each of them at most 34.0"
    )


def test_a_limit_says_nothing_of_how_rare_it_is() -> None:
    text = period_text(pipeline(), period(HOTEND, reason="hotend above 230", is_beyond_limit=True))

    assert text.startswith("anomalous since 2024-01-01 00:00:20 UTC, because of hotend above 230, a limit; at ")


def test_a_new_level_is_said() -> None:
    assert "once in 4.3 years; it goes on as a new level" in period_text(
        pipeline(), period(state="closed", reason=NEW_LEVEL)
    )


@pytest.mark.parametrize(
    ("state", "joint", "text"),
    [
        ("open", False, "no data since 2024-01-01 00:00:20 UTC, for 1m10s"),
        ("closed", False, "data arrive, silent for 1m10s"),
        ("closed", True, "data arrive, silent for 1m10s"),
        ("closed", None, "no data from 2024-01-01 00:00:20 UTC for 1m10s"),
    ],
)
def test_a_silence_is_said_as_it_was_told(state: str, joint: bool | None, text: str) -> None:
    assert period_text(pipeline(), period(state=state, reason=NO_DATA), joint=joint) == text


@pytest.mark.parametrize(
    ("field", "aggregate", "text"),
    [
        (HOTEND, ["max"], "the max of hotend was 231.4 °C, above the expected 205 to 210 °C"),
        (HOTEND, ["count", "mean"], "the count of hotend was 231.4, above the expected 205 to 210"),
        (
            FieldMoment("bed", 61.0, 60.0, 62.0, 1.0),
            ["mean", "stddev"],
            "bed was 61, which is within the expected 60 to 62, but not as usual",
        ),
        (FieldMoment("bed", 10013.204, 10012.9, 10013.1, 1.0), ["mean"], "bed was 10013.2, above the expected"),
        (FieldMoment("bed", 1e-9, 2e-9, 3e-9, 1.0), ["mean"], "bed was 1e-09, below the expected 2e-09 to 3e-09"),
        (FieldMoment("bed", 7.0, 5.0, 5.0, 1.0), ["mean"], "bed was 7, above the expected 5"),
        (FieldMoment("bed", 5.0, 5.0, 5.0, 1.0), ["mean"], "bed was 5, which is within the expected 5, but"),
        (FieldMoment("bed", 7.12345, NAN, NAN, 1.0), ["mean"], "UTC bed was 7.123"),
        (FieldMoment("bed", NAN, 1.0, 2.0, 1.0), ["mean"], "bed was unusual"),
    ],
)
def test_a_field_is_said_by_what_is_known_of_it(field: FieldMoment, aggregate: list[str], text: str) -> None:
    assert text in period_text(pipeline(aggregate=aggregate), period(field))


@given(st.text(max_size=700))
def test_no_text_has_markup_or_control_characters_or_is_too_long(text: str) -> None:
    shown = plain(text)

    assert shown.isprintable()
    assert not set("<>") & set(shown)
    assert len(shown) <= MOST_CHARACTERS


@given(st.text(min_size=1, max_size=400))
def test_names_of_fields_cannot_make_a_sentence_hostile(name: str) -> None:
    text = period_text(pipeline(), period(FieldMoment(name, 3.0, 1.0, 2.0, 1.0), reason=name))

    assert text == plain(text)
    assert text.startswith("anomalous since 2024-01-01 00:00:20 UTC, because of ")
    assert ", above the expected 1 to 2" in text


@pytest.mark.parametrize(
    ("value", "name"),
    [
        ("p1", None),
        ("Büro 3_a", None),
        ("<!channel>", "pipeline=p,printer=‹!channel›"),
        ("a\x1b[31m\nb", "pipeline=p,printer=a?[31m?b"),
        ("R&D", "pipeline=p,printer=R&D"),
        ("x" * 99, f"pipeline=p,printer={'x' * 59}…"),
    ],
)
def test_a_series_has_another_name_where_its_own_cannot_be_shown(value: str, name: str | None) -> None:
    assert safe_series({"printer": value, "pipeline": "p"}) == name


@pytest.mark.parametrize(
    ("nanoseconds", "text"),
    [
        (0, "0s"),
        (100_000_000, "100ms"),
        (1_500_000_000, "1.5s"),
        (70 * SECOND, "1m10s"),
        (3600 * SECOND, "1h0m0s"),
        (93_780 * SECOND, "26h3m0s"),
    ],
)
def test_a_duration_is_said_as_kapacitor_says_it(nanoseconds: int, text: str) -> None:
    assert duration_text(nanoseconds) == text
