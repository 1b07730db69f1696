"""Time zones by their IANA names."""

from datetime import UTC, datetime, timedelta

import pytest

from anomaly.pipeline.timezone import clock_change_ns, clock_offset_ns, timezone, timezones


def test_a_zone_knows_when_its_clock_changes() -> None:
    berlin = timezone("Europe/Berlin")
    change = datetime(2024, 3, 31, 1, tzinfo=UTC)

    offsets = [(change + timedelta(seconds=seconds)).astimezone(berlin).utcoffset() for seconds in (-1, 0)]

    assert offsets == [timedelta(hours=1), timedelta(hours=2)]


@pytest.mark.parametrize("name", ["Europe/Berln", "+02:00", "", "../zones"])
def test_another_name_is_refused_with_an_example(name: str) -> None:
    assert name not in timezones()
    with pytest.raises(ValueError, match="is not a time zone: write an IANA name, such as Europe/Berlin"):
        timezone(name)


@pytest.mark.parametrize(
    ("name", "minutes"),
    [("Europe/Berlin", 60), ("Australia/Lord_Howe", 30), ("Africa/Casablanca", 60), ("Asia/Kolkata", 0), ("UTC", 0)],
)
def test_a_zone_knows_by_how_much_its_clock_changes(name: str, minutes: int) -> None:
    assert clock_change_ns(name) == minutes * 60_000_000_000


@pytest.mark.parametrize(
    ("name", "minutes"),
    [("Europe/Berlin", 60), ("America/Sao_Paulo", 180), ("Asia/Kolkata", 330), ("Australia/Adelaide", 30), ("UTC", 0)],
)
def test_a_zone_knows_what_its_offsets_are_multiples_of(name: str, minutes: int) -> None:
    assert clock_offset_ns(name) == minutes * 60_000_000_000
