"""States that models keep as packed JSON which were trained before models kept arrays.

They stay valid: loading writes their states into the memory of today's followers. Values are then thinned to the room
that there is, and the past counts half earlier.
"""

import json
import math
import zlib
from typing import Any

import numpy as np

from anomaly.detectors.parts.channel import Setting
from anomaly.detectors.parts.loops import EVERY, MEANS, MOST_COUNTED, RESIDUALS, Novelties
from anomaly.detectors.parts.memory import Memory, within_float32
from anomaly.windows.arrays import AnyArray

_SECOND_NS = 1_000_000_000


def unpacked(array: AnyArray) -> Any:
    """Unpack an array of bytes into what the JSON says."""
    return json.loads(zlib.decompress(array.tobytes()))


def put_surprise(memory: Memory, channel: int, state: Any) -> None:
    """Write [total, counts by cell, counts by cell at the last fit] into a channel.

    Args:
        memory: has the fields of `anomaly.detectors.parts.surprise`.
        channel: the channel's number.
        state: the state.

    Raises:
        TypeError: the state is of another form.
        ValueError: the state is of another form.
    """
    total, counts, fitted = state
    flat = memory.flat
    now, before = np.zeros((2, flat["counts"].shape[1]), dtype=np.int64)
    for array, pairs in ((now, counts), (before, fitted)):
        for cell, count in pairs:
            array[cell] = count
    recent = np.repeat(np.arange(len(now)), np.maximum(now - before, 0))
    if total != now.sum() or len(recent) != total - before.sum() or len(recent) >= EVERY:
        raise ValueError(f"{total} numbers, {now.sum()} counted, {before.sum()} at the last fit")
    if total >= MOST_COUNTED - EVERY:
        now, recent = before // 2, recent[:0]
    flat["counts"][channel] = now
    flat["fresh"][channel] = len(recent)
    flat["recent"][channel, : len(recent)] = recent


def put_novelty(memory: Memory, channel: int, state: Any, kept_ns: int | None = None) -> None:
    """Write [values, times of the values in nanoseconds, number of values added] into a channel.

    Args:
        memory: has the fields of `anomaly.detectors.parts.novelty`.
        channel: the channel's number.
        state: the state.
        kept_ns: how long values are kept, nanoseconds; None keeps them for ever.

    Raises:
        TypeError: the state is of another form.
        ValueError: the state is of another form.
    """
    values, seen_ns, added = state
    novelties = Novelties(memory.flat, 0 if kept_ns is None else kept_ns // _SECOND_NS)
    rounded = within_float32(np.array(values, dtype=np.float64)).astype(np.float32).tolist()
    for value, time_ns in zip(rounded, seen_ns, strict=True):
        novelties.add(channel, time_ns // _SECOND_NS, value)
    if kept_ns is not None:
        memory.flat["added"][channel] = added % 100


def put_gap(memory: Memory, channel: int, setting: Setting, state: Any) -> None:
    """Write [sum, novelty] into a channel of `gap`."""
    total, novelty = state
    memory.flat["total"][channel] = total
    put_novelty(memory, channel, novelty)


def put_slow_gap(memory: Memory, channel: int, kept_ns: int, state: Any) -> None:
    """Write [gaps, deviation, values, sum of the values, means with their times, novelty, surprise] into a channel."""
    gaps, deviation, values, total, means, novelty, surprise = state
    flat = memory.flat
    flat["gaps"][channel], flat["deviation"][channel], flat["total"][channel] = gaps, deviation, total
    if len(values) > MEANS or len(means) > MEANS:
        raise ValueError(f"{len(values)} values and {len(means)} means of {MEANS}")
    # As many windows since the pause as there are values, and then means.
    filled = len(values) if len(values) < MEANS else MEANS - 1 + len(means)
    flat["filled"][channel] = filled
    for at, value in enumerate(values):
        flat["ring"][channel, (filled - len(values) + at) % MEANS] = value
    first = filled - (MEANS - 1) - len(means)
    for at, (begin_ns, mean) in enumerate(means):
        flat["means"][channel, (first + at) % (MEANS + 1)] = mean
        flat["times_s"][channel, (first + at) % (MEANS + 1)] = begin_ns // _SECOND_NS
    put_novelty(memory, channel, novelty, kept_ns)
    put_surprise(memory, channel, surprise)


def put_seasonal(memory: Memory, channel: int, setting: Setting, state: Any) -> None:
    """Write [means, counts, first seasons, residuals, surprise] into a channel of `seasonal`."""
    means, counts, first, residuals, surprise = state
    flat = memory.flat
    parts = flat["means"].shape[1]
    if not len(means) == len(counts) == len(first) == parts or len(residuals) > RESIDUALS:
        raise ValueError(f"{len(means)} means, {len(counts)} counts, {len(first)} seasons for {parts} parts")
    flat["means"][channel] = means
    flat["numbers"][channel] = [math.ceil(count) for count in counts]
    flat["first"][channel] = np.array(first, dtype=np.int64).astype(np.int32)
    flat["residuals"][channel] = [0.0] * (RESIDUALS - len(residuals)) + list(residuals)
    put_surprise(memory, channel, surprise)
