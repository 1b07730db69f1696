"""Compact arrays hold all that is remembered, and those that do not fit are refused whole."""

import numpy as np
import pytest

from anomaly.detectors.parts.memory import Learnt, Memory, MemoryField, windows

FIELDS = (
    MemoryField("number", np.float64),
    MemoryField("used", np.uint8, most=5),
    MemoryField("values", np.float32, 5, length="used"),
    MemoryField("counts", np.uint16, 1_000, sparse=True),
    MemoryField("computed", np.int32, 3, stored=False),
)


def made(capacity: int = 4) -> Memory:
    """Make a memory in which something is at each place, and which two features have."""
    rng = np.random.default_rng(0)
    memory = Memory("a_", FIELDS, capacity, 2)
    memory["number"][:] = rng.normal(size=(capacity, 2))
    used = rng.integers(0, 6, (capacity, 2))
    memory["used"][:] = used
    memory["values"][:] = rng.normal(size=(capacity, 2, 5)) * (np.arange(5) < used[:, :, None]) + 0.0
    memory["counts"][:] = rng.integers(0, 3, (capacity, 2, 1_000)) * (rng.random((capacity, 2, 1_000)) < 0.01)
    memory["computed"][:] = 7
    return memory


def contents(memory: Memory, place: list[int]) -> list[bytes]:
    return [memory[field.name][place].tobytes() for field in FIELDS if field.stored]


def test_compact_arrays_hold_what_is_stored_and_little_else() -> None:
    memory, other = made(), Memory("a_", FIELDS, 9, 2)
    kept = memory.kept(np.array([3, 1]))
    other.restore(np.array([0, 8]), kept)
    assert contents(other, [0, 8]) == contents(memory, [3, 1])
    assert not other["computed"].any()
    assert sum(array.nbytes for array in kept.values()) < 500
    assert memory.bytes_per_series == 2 * (8 + 1 + 5 * 4 + 1_000 * 2 + 3 * 4)


def test_nothing_is_left_of_what_was_there() -> None:
    memory = made()
    memory.restore(np.array([2]), Memory("a_", FIELDS, 1, 2).kept(np.array([0])))
    assert not any(memory[field.name][2].any() for field in FIELDS)
    memory.clear(np.array([1]))
    assert not any(memory[field.name][1].any() for field in FIELDS)
    assert all(memory[field.name][0].any() for field in FIELDS)


def test_no_place_is_no_array_of_zeros() -> None:
    memory, nothing = made(), np.array([], dtype=np.intp)

    kept = memory.kept(nothing)
    memory.restore(nothing, kept)

    assert sum(array.size for array in kept.values()) == 0
    before = made()
    for field in FIELDS:
        np.testing.assert_array_equal(memory[field.name], before[field.name])


def test_rows_begin_as_the_stored_series_they_name() -> None:
    memory = made()
    learnt = Learnt("a_", FIELDS, np.array([0, 3, 0, 1]), memory.kept(np.arange(4)))
    again = Learnt.from_arrays("a_", FIELDS, {**learnt.kept(), "other": np.zeros(1)})
    other = Memory("a_", FIELDS, 3, 2)
    other.restore(np.array([2, 0, 1]), again.of(np.array([3, 1, 2])))
    assert contents(other, [2, 0, 1]) == contents(memory, [1, 3, 0])


def test_places_that_begin_hold_what_training_left_and_nothing_of_before() -> None:
    memory, other = made(), made(3)
    learnt = Learnt("a_", FIELDS, np.array([0, 3, 0, 1]), memory.kept(np.arange(4)))

    other.begin(np.array([2, 0]), learnt, np.array([3, 1]))

    assert contents(other, [2, 0]) == contents(memory, [1, 3])
    assert contents(other, [1]) == contents(made(3), [1])
    assert not other["computed"][[2, 0]].any()


def test_what_training_left_is_refused_where_it_does_not_fit() -> None:
    memory = made()
    arrays = {**memory.kept(np.arange(4)), "a_counts_places": np.zeros(1, dtype=np.uint16)}
    with pytest.raises(ValueError, match="a_counts has"):
        made(3).begin(np.array([0]), Learnt("a_", FIELDS, np.arange(4), arrays), np.array([1]))


@pytest.mark.parametrize(
    ("name", "array"),
    [
        ("a_number", np.zeros((1, 2), dtype=np.float32)),
        ("a_number", np.zeros((2, 2))),
        ("a_number", np.zeros((1, 3))),
        ("a_used", np.full((1, 2), 6, dtype=np.uint8)),
        ("a_used", np.full((1, 2), 5, dtype=np.uint8)),
        ("a_values", np.zeros(0, dtype=np.float32)),
        ("a_counts", np.zeros(0, dtype=np.uint16)),
        ("a_counts_places", np.full(30, 1_000, dtype=np.uint16)),
        ("a_counts_places", np.zeros(1, dtype=np.uint16)),
        ("a_counts_lengths", np.zeros((1, 2), dtype=np.uint16)),
    ],
)
def test_arrays_that_do_not_fit_are_refused_and_change_nothing(name: str, array: np.ndarray) -> None:
    memory, other = made(), made()
    kept = other.kept(np.array([0]))
    if name == "a_counts_places" and len(array) > 1:
        array = array[: len(kept["a_counts"])]
    with pytest.raises(ValueError, match="a_"):
        memory.restore(np.array([1]), {**kept, name: array})
    assert contents(memory, [0, 1, 2, 3]) == contents(other, [0, 1, 2, 3])


def test_a_missing_array_is_named() -> None:
    kept = made().kept(np.array([0]))
    del kept["a_counts_places"]
    with pytest.raises(KeyError, match="a_counts_places"):
        made().restore(np.array([0]), kept)


@pytest.mark.parametrize("place", [-1, 4])
def test_a_place_that_does_not_exist_is_named(place: int) -> None:
    with pytest.raises(IndexError, match=f"places {place} to {place} of 4"):
        made().restore(np.array([place]), made().kept(np.array([0])))


def test_windows_are_copied_within_the_reach_of_a_float32() -> None:
    place, begin_ns, x = np.zeros(2, dtype=np.intp), np.zeros(2, dtype=np.int64), np.array([[1e300], [np.nan]])
    x.flags.writeable = False
    _, _, copied = windows(place, begin_ns, x)
    assert (copied[0, 0], np.isnan(copied[1, 0])) == (3e38, True)
    with pytest.raises(ValueError, match="2 places, 2 begins, 1 windows"):
        windows(place, begin_ns, x[:1])
