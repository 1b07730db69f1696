"""State by group, bounded by number and by real time."""

from collections import OrderedDict

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kapacitor_udf import Counters, Groups


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def test_state_is_made_once_and_kept() -> None:
    counters = Counters()
    groups: Groups[str, list[int]] = Groups(list, counters=counters)
    groups["a"].append(1)
    groups["a"].append(2)
    groups["b"].append(3)
    assert dict(groups.items()) == {"a": [1, 2], "b": [3]}
    assert ("a" in groups, "c" in groups, len(groups), counters.groups) == (True, False, 2, 2)


def test_the_longest_quiet_group_makes_room() -> None:
    counters = Counters()
    groups: Groups[str, list[int]] = Groups(list, most=2, counters=counters)
    for key in ("a", "b", "a", "c"):
        groups[key].append(1)
    assert dict(groups.items()) == {"a": [1, 1], "c": [1]}
    assert (counters.groups, counters.groups_evicted, counters.groups_expired) == (2, 1, 0)


def test_keys_that_are_long_make_room_for_each_other() -> None:
    counters = Counters()
    groups: Groups[str, list[int]] = Groups(list, most_bytes=100_000, counters=counters)
    groups["a" * 200_000].append(1)
    assert counters.group_bytes > 200_000
    for key in "bcd":
        groups[key * 30_000].append(1)
    assert [key[0] for key in groups] == ["b", "c", "d"]
    groups["e" * 30_000].append(1)
    assert [key[0] for key in groups] == ["c", "d", "e"]
    assert (counters.groups, counters.groups_evicted) == (3, 2)
    assert 90_000 < counters.group_bytes <= 100_000
    groups.replace([])
    assert (counters.groups, counters.group_bytes) == (0, 0)


def test_the_tags_in_a_key_count() -> None:
    counters = Counters()
    groups: Groups[tuple[str, str], list[int]] = Groups(list, most_bytes=100_000, counters=counters)
    for key in "abcd":
        groups["short", key * 30_000].append(1)
    assert [key[1][0] for key in groups] == ["b", "c", "d"]
    assert 90_000 < counters.group_bytes <= 100_000
    groups.replace([])
    assert counters.group_bytes == 0


def test_a_group_that_was_quiet_for_too_long_is_forgotten() -> None:
    clock, counters = Clock(), Counters()
    groups: Groups[str, list[int]] = Groups(list, ttl=10.0, counters=counters, clock=clock)
    groups["a"].append(1)
    clock.now = 5.0
    groups["b"].append(1)
    clock.now = 9.9
    assert groups["a"] == [1]
    clock.now = 16.0
    assert groups["a"] == [1]
    assert list(groups) == ["a"]
    clock.now = 26.0
    assert groups["a"] == []
    assert (counters.groups, counters.groups_expired) == (1, 2)
    clock.now = 36.0
    groups.expire()
    assert (len(groups), counters.groups) == (0, 0)


def test_what_was_taken_up_again_has_its_full_time() -> None:
    clock, counters = Clock(), Counters()
    groups: Groups[str, int] = Groups(int, most=2, ttl=10.0, counters=counters, clock=clock)
    groups["gone"]
    clock.now = 100.0
    groups.replace([("a", 1), ("b", 2), ("c", 3)])
    clock.now = 109.0
    assert list(groups.items()) == [("b", 2), ("c", 3)]
    assert groups["b"] == 2
    assert (counters.groups, counters.groups_evicted) == (2, 1)


@pytest.mark.parametrize("bad", [{"most": 0}, {"most_bytes": 0}, {"ttl": 0.0}])
def test_bounds_that_keep_nothing_are_refused(bad: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="expected"):
        Groups(list, **bad)  # type: ignore[arg-type]


@given(st.lists(st.tuples(st.integers(0, 6), st.integers(0, 4))), st.integers(1, 5), st.integers(1, 8))
def test_any_sequence_of_uses_keeps_what_the_bounds_say(uses: list[tuple[int, int]], most: int, ttl: int) -> None:
    clock, counters = Clock(), Counters()
    groups: Groups[int, list[float]] = Groups(list, most=most, ttl=float(ttl), counters=counters, clock=clock)
    expected: OrderedDict[int, list[float]] = OrderedDict()
    made = 0
    for key, wait in uses:
        clock.now += wait
        expected = OrderedDict((k, times) for k, times in expected.items() if clock.now - times[-1] < ttl)
        made += key not in expected
        expected.setdefault(key, []).append(clock.now)
        expected.move_to_end(key)
        while len(expected) > most:
            expected.popitem(last=False)
        groups[key].append(clock.now)
        assert list(groups.items()) == list(expected.items())
    assert counters.groups == len(expected)
    assert counters.groups_evicted + counters.groups_expired == made - len(expected)
