"""Windows by a clock tile time, whatever the clock does, and are what people expect of a day."""

from bisect import bisect_left
from datetime import UTC, datetime
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from anomaly.nanoseconds import DAY_NS, HOUR_NS, MINUTE_NS, SECOND_NS
from anomaly.pipeline.timezone import clock_changes, offset_at, timezone, timezones
from anomaly.windows.cut import Cut, LocalCut, cut, scaled

WEEK_NS = 7 * DAY_NS
LENGTHS = [*(DAY_NS // parts for parts in (48, 24, 16, 12, 8, 6, 4, 3, 2, 1)), 2 * DAY_NS, WEEK_NS]
zones = st.sampled_from(sorted(timezones()))
lengths = st.sampled_from(LENGTHS)
times = st.integers(0, 4_102_444_800).map(lambda second: second * SECOND_NS + 7)


def ns(text: str) -> int:
    return int(datetime.fromisoformat(text).timestamp()) * SECOND_NS


def shown(time_ns: int, zone: str) -> str:
    return f"{datetime.fromtimestamp(time_ns // SECOND_NS, timezone(zone)):%d %H:%M}"


def hours(zone: str, window_ns: int, begin: str, count: int) -> list[tuple[str, float]]:
    """Return begins by the clock, and lengths in hours, of windows from a time on."""
    local, begin_ns = cut(window_ns, zone), cut(window_ns, zone).begin(ns(begin))
    edges = [local.step(begin_ns, windows) for windows in range(count + 1)]
    return [(shown(first, zone), (last - first) / HOUR_NS) for first, last in pairwise(edges)]


@given(zones, lengths, times)
def test_windows_tile_time(zone: str, window_ns: int, time_ns: int) -> None:
    local = LocalCut(window_ns, zone)
    begin_ns, end_ns = local.begin(time_ns), local.end(time_ns)
    assert begin_ns <= time_ns < end_ns
    assert local.begin(begin_ns) == local.begin(end_ns - 1) == begin_ns
    assert local.begin(end_ns) == local.first(time_ns) == local.first(end_ns) == local.after(begin_ns) == end_ns
    assert local.first(begin_ns) == begin_ns


@given(zones, lengths, times)
def test_many_times_are_cut_as_each_of_them(zone: str, window_ns: int, time_ns: int) -> None:
    local = LocalCut(window_ns, zone)
    around = np.array([time_ns + step * HOUR_NS // 2 for step in range(-60, 60)], dtype=np.int64)
    alone = around.tolist()
    assert (np.diff(local.number(around)) >= 0).all()
    for method in (local.number, local.begin, local.end, local.first):
        assert method(around).tolist() == [method(each) for each in alone]
    assert local.at(np.arange(100)).tolist() == [local.at(number) for number in range(100)]
    begins = local.begin(around)
    assert local.nominal(begins).tolist() == local.nominal(around).tolist()
    assert (local.nominal(begins) % window_ns == 0).all()


@given(zones, lengths, times)
def test_a_window_without_a_change_of_the_clock_has_the_nominal_length(zone: str, window_ns: int, time_ns: int) -> None:
    local = LocalCut(window_ns, zone)
    begin_ns, end_ns = local.begin(time_ns), local.end(time_ns)
    known = [SECOND_NS * time_s for time_s, _ in clock_changes(zone)[1]]
    # What a clock shows anew after it was put back is in the window before, so its end counts, too.
    is_near = any(begin_ns - DAY_NS <= change_ns <= end_ns for change_ns in known)
    if not is_near:
        assert end_ns - begin_ns == window_ns
        offset_ns = SECOND_NS * offset_at(timezone(zone), begin_ns // SECOND_NS)
        assert (begin_ns + offset_ns) % window_ns == 0


@given(zones, lengths, times)
def test_windows_are_those_of_the_latest_time_that_the_clock_has_shown(zone: str, window_ns: int, time_ns: int) -> None:
    local, minutes = LocalCut(window_ns, zone), [time_ns // MINUTE_NS * MINUTE_NS + at * MINUTE_NS for at in range(600)]
    # A day and more before, so that what the clock has shown is known.
    first_s = minutes[0] // SECOND_NS - 30 * 3600
    latest, numbers = -(1 << 62), []
    changes = [time_s for time_s, _ in clock_changes(zone)[1]]
    seen = [first_s, *changes[bisect_left(changes, first_s) :][:3]]
    for minute_ns in minutes:
        for change_s in [each for each in seen if each * SECOND_NS <= minute_ns]:
            before_s = change_s - 1
            latest = max(latest, (before_s + 1 + offset_at(timezone(zone), before_s)) * SECOND_NS - 1)
        wall_ns = minute_ns + offset_at(timezone(zone), minute_ns // SECOND_NS) * SECOND_NS
        latest = max(latest, wall_ns)
        numbers.append(latest // window_ns)
    assert local.number(np.array(minutes, dtype=np.int64)).tolist() == numbers


@given(zones, lengths, times, st.integers(1, 400))
def test_stretches_have_windows_of_one_length(zone: str, window_ns: int, time_ns: int, count: int) -> None:
    local = LocalCut(window_ns, zone)
    begin_ns = local.begin(time_ns)
    end_ns = local.step(begin_ns, count)
    stretches = local.stretches(begin_ns, end_ns)
    assert stretches[0][0] == begin_ns
    assert stretches[-1][1] == end_ns
    assert all(before[1] == after[0] for before, after in pairwise(stretches))
    for first_ns, last_ns, length_ns in stretches:
        edges = range(first_ns, last_ns, length_ns)
        assert [local.begin(edge) for edge in edges] == list(edges)
        assert local.end(last_ns - 1) == last_ns == edges[-1] + length_ns


def test_days_begin_at_midnight_and_have_an_hour_more_or_less_when_the_clock_changes() -> None:
    berlin = "Europe/Berlin"
    assert hours(berlin, DAY_NS, "2024-03-30T12:00Z", 3) == [("30 00:00", 24), ("31 00:00", 23), ("01 00:00", 24)]
    assert hours(berlin, DAY_NS, "2024-10-26T12:00Z", 3) == [("26 00:00", 24), ("27 00:00", 25), ("28 00:00", 24)]
    assert hours(berlin, 6 * HOUR_NS, "2024-10-26T23:00Z", 3) == [("27 00:00", 7), ("27 06:00", 6), ("27 12:00", 6)]
    assert hours(berlin, 3 * HOUR_NS, "2024-03-30T23:00Z", 2) == [("31 00:00", 2), ("31 03:00", 3)]


def test_a_midnight_that_is_left_out_or_shown_twice_begins_one_day() -> None:
    havana = "America/Havana"
    # On 10 March, the clock goes from 0 to 1 h; on 3 November, from 1 h back to 0.
    assert hours(havana, DAY_NS, "2024-03-09T12:00Z", 3) == [("09 00:00", 24), ("10 01:00", 23), ("11 00:00", 24)]
    assert hours(havana, DAY_NS, "2024-11-02T12:00Z", 3) == [("02 00:00", 24), ("03 00:00", 25), ("04 00:00", 24)]
    # In Paraguay, midnight became 23 h of the day before.
    assert hours("America/Asuncion", DAY_NS, "2024-03-23T12:00Z", 2) == [("23 00:00", 25), ("24 00:00", 24)]


def test_a_clock_that_changes_by_half_an_hour_has_hours_of_30_and_90_minutes() -> None:
    howe = "Australia/Lord_Howe"
    assert hours(howe, HOUR_NS, "2024-04-06T14:00Z", 3) == [("07 01:00", 1.5), ("07 02:00", 1), ("07 03:00", 1)]
    assert hours(howe, HOUR_NS, "2024-10-05T15:00Z", 3) == [("06 01:00", 1), ("06 02:30", 0.5), ("06 03:00", 1)]


def test_a_day_that_a_zone_left_out_is_no_window() -> None:
    # Samoa crossed the date line: 30 December 2011 was left out.
    assert hours("Pacific/Apia", DAY_NS, "2011-12-29T20:00Z", 1) == [("29 00:00", 24)]
    local = cut(DAY_NS, "Pacific/Apia")
    assert shown(local.end(ns("2011-12-29T20:00Z")), "Pacific/Apia") == "31 00:00"


def test_nominal_time_counts_an_odd_window_as_one() -> None:
    local = cut(DAY_NS, "Europe/Berlin")
    begin_ns, end_ns = local.begin(ns("2024-10-26T12:00Z")), local.begin(ns("2024-10-29T12:00Z"))
    assert local.span(begin_ns, end_ns) == 3 * DAY_NS
    assert local.windows(begin_ns, end_ns) == 3
    assert local.step(end_ns, -3) == begin_ns


def test_sums_and_counts_of_an_odd_window_are_scaled_and_others_are_not() -> None:
    local = cut(DAY_NS, "Europe/Berlin")
    begins = local.begin(np.array([ns("2024-10-26T12:00Z"), ns("2024-10-27T12:00Z")]))
    values, counts = np.array([[24.0, 1.0, 24.0], [25.0, 1.0, 25.0]]), np.array([[24.0], [25.0]])
    scaled_values, scaled_counts = scaled(local, ("sum", "mean", "count"), begins, values, counts)
    np.testing.assert_allclose(scaled_values, [[24.0, 1.0, 24.0]] * 2)
    np.testing.assert_allclose(scaled_counts, [[24.0]] * 2)
    assert values[1].tolist() == [25.0, 1.0, 25.0]
    untouched, _ = scaled(local, ("sum",), begins[:1], values[:1], counts[:1])
    assert untouched.tolist() == values[:1].tolist()


@given(lengths, st.integers(0, 2_000_000_000), st.integers(-100, 100))
def test_windows_in_utc_are_multiples_of_their_length(window_ns: int, second: int, steps: int) -> None:
    plain, time_ns = Cut(window_ns), second * SECOND_NS + 1
    local = LocalCut(window_ns, "UTC")
    begin_ns = plain.begin(time_ns)
    assert begin_ns == time_ns // window_ns * window_ns
    for one in (plain, local):
        assert one.begin(time_ns) == begin_ns
        assert one.end(time_ns) == one.first(time_ns) == one.after(begin_ns) == begin_ns + window_ns
        assert one.step(begin_ns, steps) == one.at(one.number(begin_ns) + steps) == begin_ns + steps * window_ns
        assert one.windows(begin_ns, begin_ns + window_ns + 1) == 2
        assert one.span(begin_ns, begin_ns + 3 * window_ns) == 3 * window_ns
        assert one.stretches(begin_ns, begin_ns + 3 * window_ns) == [(begin_ns, begin_ns + 3 * window_ns, window_ns)]
        assert one.stretches(begin_ns, begin_ns) == []
        assert not one.are_odd(np.array([begin_ns])).any()
        assert one.nominal(np.array([begin_ns])).tolist() == [begin_ns]


def test_an_unknown_time_zone_is_refused() -> None:
    with pytest.raises(ValueError, match="'Europe/Berln' is not a time zone"):
        cut(DAY_NS, "Europe/Berln")


def test_changes_of_a_clock_are_known_to_the_second() -> None:
    offset_s, changes = clock_changes("Europe/Berlin")
    assert offset_s == 3600
    assert (ns("2024-10-27T01:00:00Z") // SECOND_NS, 3600) in changes
    assert (ns("2024-03-31T01:00:00Z") // SECOND_NS, 7200) in changes
    assert clock_changes("UTC") == (0, ())
    assert datetime.fromtimestamp(changes[-1][0], UTC).year == 2199
