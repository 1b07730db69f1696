import pytest

from ingest.times import format_duration, format_time, parse_duration, parse_time


@pytest.mark.parametrize(
    ("text", "ms"),
    [("500ms", 500), ("1s", 1_000), ("1h30m", 5_400_000), ("2d", 172_800_000), ("1w", 604_800_000), ("0s", 0)],
)
def test_durations_are_read(text: str, ms: int) -> None:
    assert parse_duration(text) == ms


@pytest.mark.parametrize("text", ["", "5", "1.5h", "h", "-1s", "1s 2", "1y", "1h;"])
def test_what_is_no_duration_is_refused_by_value(text: str) -> None:
    with pytest.raises(ValueError, match="is not a duration") as raised:
        parse_duration(text)
    assert repr(text) in str(raised.value)


@pytest.mark.parametrize("ms", [0, 1, 999, 1_000, 61_000, 5_400_000, 86_400_000, 90_061_001])
def test_a_duration_survives_formatting(ms: int) -> None:
    assert parse_duration(format_duration(ms)) == ms


@pytest.mark.parametrize(
    ("text", "ms"),
    [
        ("1970-01-01T00:00:00Z", 0),
        ("2026-01-01", 1_767_225_600_000),
        ("2026-01-01T01:00:00+01:00", 1_767_225_600_000),
        ("2026-01-01T00:00:00.250Z", 1_767_225_600_250),
    ],
)
def test_times_are_read(text: str, ms: int) -> None:
    assert parse_time(text) == ms


@pytest.mark.parametrize("text", ["2026-01-01T00:00:00", "yesterday", "1969-12-31T23:59:59Z", ""])
def test_what_is_no_time_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"time|1970"):
        parse_time(text)


@pytest.mark.parametrize("ms", [0, 1_767_225_600_000, 1_767_225_600_007])
def test_a_time_survives_formatting(ms: int) -> None:
    assert parse_time(format_time(ms)) == ms
