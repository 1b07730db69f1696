"""Counts in little more than a byte each are those that were counted, however many of them are beyond a byte."""

import numpy as np
import pytest
from numpy.typing import NDArray

from anomaly.detectors.parts import surprise
from anomaly.detectors.parts.bytewise import Bytewise
from anomaly.detectors.parts.loops import BEYOND, CELLS, MOST_COUNTED, RATIO, SMALLEST, Surprises
from anomaly.detectors.parts.memory import Learnt, Memory

EVERY_PLACE = np.arange(3)
# What a channel took before its counts were kept byte by byte.
BYTES_BEFORE = 2 * CELLS


def drawn(beyond: int) -> NDArray[np.uint16]:
    """Draw the counts of three series of two features, of which each channel has this many beyond a byte."""
    rng = np.random.default_rng(beyond)
    counts = rng.integers(0, 256, (3, 2, CELLS)).astype(np.uint16)
    for channel in counts.reshape(-1, CELLS):
        channel[rng.choice(CELLS, beyond, replace=False)] = rng.integers(256, MOST_COUNTED, beyond)
    return counts


@pytest.mark.parametrize("beyond", [0, 1, BEYOND])
def test_counts_come_back_as_they_were_put(beyond: int) -> None:
    counts, bytewise = drawn(beyond), Bytewise(3, 2, CELLS, BEYOND)
    bytewise.put(EVERY_PLACE, drawn(7))

    bytewise.put(EVERY_PLACE, counts)

    np.testing.assert_array_equal(bytewise.of(EVERY_PLACE), counts)
    np.testing.assert_array_equal(bytewise.of(np.array([2, 0])), counts[[2, 0]])


def test_a_channel_takes_a_third_less() -> None:
    arrays = Bytewise(1, 1, CELLS, BEYOND).arrays("counts")
    assert sum(array.nbytes for array in arrays.values()) < 0.66 * BYTES_BEFORE


def fed(numbers: NDArray[np.float64]) -> Memory:
    """Return the memory of a channel after these numbers."""
    memory = Memory("", surprise.FIELDS, 1, 1)
    count, waiting = len(numbers), np.zeros(1)
    channels, unlearnt = np.zeros(count, dtype=np.intp), np.zeros(count, dtype=np.uint8)
    surprises = Surprises(memory.flat, np.inf)
    surprises.explain(channels, numbers, np.zeros(count), waiting, unlearnt)
    surprises.learn(0, waiting[0])
    return memory


def test_the_loops_count_beyond_a_byte_in_any_order_of_cells() -> None:
    rng = np.random.default_rng(0)
    # Most cells are used, and a tenth of them 300 to 600 times.
    often = rng.choice(CELLS - 2, 100, replace=False)
    cells = np.concatenate([rng.integers(0, CELLS - 2, 10_000), *(np.full(rng.integers(300, 500), at) for at in often)])
    rng.shuffle(cells)

    memory = fed(SMALLEST * RATIO ** (cells + 0.5))

    expected = np.bincount(cells + 1, minlength=CELLS)
    assert (expected > 255).sum() == 100
    np.testing.assert_array_equal(memory["counts"][0, 0], expected)


def test_halved_counts_keep_their_high_bytes() -> None:
    memory = fed(SMALLEST * RATIO ** (np.repeat([100, 200, 300], [40_000, 24_900, 100]) + 0.5))
    counts = memory["counts"][0, 0]
    assert counts[[101, 201, 301]].tolist() == [20_000, 12_450, 50]
    assert counts.sum() == 32_500


def test_series_begin_with_the_high_bytes_that_training_left() -> None:
    memory = fed(SMALLEST * RATIO ** (np.repeat([300, 100], [700, 400]) + 0.5))
    learnt = Learnt("", surprise.FIELDS, np.zeros(2, dtype=np.intp), memory.kept(np.array([0])))
    other = Memory("", surprise.FIELDS, 2, 1)

    other.begin(np.array([1, 0]), learnt, np.array([1, 1]))

    np.testing.assert_array_equal(other["counts"], np.concatenate([memory["counts"]] * 2))
    other.clear(np.array([0]))
    assert not other["counts"][0].any()


def test_more_counts_beyond_a_byte_than_there_is_room_for_are_refused() -> None:
    kept = fed(np.zeros(1)).kept(np.array([0]))
    kept["counts"] = np.full(BEYOND + 1, 256, dtype=np.uint16)
    kept["counts_places"] = np.arange(BEYOND + 1, dtype=np.uint16)
    kept["counts_lengths"] = np.array([[BEYOND + 1]], dtype=np.uint16)
    with pytest.raises(ValueError, match=f"counts has {BEYOND + 1} numbers beyond 255, and {BEYOND} is the most"):
        Memory("", surprise.FIELDS, 1, 1).restore(np.array([0]), kept)
