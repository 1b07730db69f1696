"""InfluxQL's durations."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from anomaly.pipeline import DurationError, format_duration, parse_duration


@pytest.mark.parametrize(
    ("text", "nanoseconds"),
    [
        ("10s", 10_000_000_000),
        ("1h30m", 5_400_000_000_000),
        ("5u", 5_000),
        ("5µ", 5_000),
        ("7ns", 7),
        ("2w", 2 * 604_800_000_000_000),
        ("0s", 0),
        ("250ms", 250_000_000),
    ],
)
def test_parse(text: str, nanoseconds: int) -> None:
    assert parse_duration(text) == nanoseconds


@pytest.mark.parametrize(
    "text", ["", "10", "s", "1.5s", "-1s", "10 s", " 10s", "10s ", "1y", "10S", "९s", "99999999999w"]
)
def test_what_is_no_duration_is_refused_by_name(text: str) -> None:
    with pytest.raises(DurationError, match=r"duration|longer"):
        parse_duration(text)


@given(st.integers(0, 2**62 // 1000).map(lambda microseconds: microseconds * 1000))
def test_format_is_the_inverse_of_parse(nanoseconds: int) -> None:
    assert parse_duration(format_duration(nanoseconds)) == nanoseconds


def test_format_takes_the_greatest_unit() -> None:
    assert [format_duration(parse_duration(text)) for text in ("60s", "90s", "24h", "7d", "1000ms")] == [
        "1m",
        "90s",
        "1d",
        "1w",
        "1s",
    ]


def test_format_loses_nothing() -> None:
    with pytest.raises(DurationError):
        format_duration(1)
