"""The assembler against a model of time: every window comes once, and every point is somewhere."""

import math
from collections import Counter
from dataclasses import replace
from typing import Any

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from anomaly.windows.assembler import Assembler, Closed, Settings, Taken
from anomaly.windows.point_log import bytes_per_point
from tests.unit.anomaly.windows.window_model import Arrival, ModelWindow, WindowModel

SETTINGS = Settings(
    window_ns=10,
    lateness_ns=10,
    future_ns=30,
    fields=2,
    aggregates=("mean", "stddev", "last"),
    idle_ns=15,
    oldest_ns=400,
    step_ns=40,
)
AGGREGATES = ("mean", "stddev", "last", "count")
CLOCK = 10_000

VALUES = st.tuples(
    st.none() | st.integers(-5, 5).map(float) | st.floats(-1e3, 1e3), st.none() | st.integers(0, 1).map(float)
)
SERIES = st.integers(0, 3)


def arrivals(begin: int, end: int) -> st.SearchStrategy[list[Arrival]]:
    point = st.tuples(SERIES, st.integers(begin, end), st.integers(0, 1), VALUES)
    return st.lists(point, min_size=1, max_size=8)


# What happens: time goes by; points that are live, that belong to a backlog, or to history or the future; a restart.
ACTIONS = st.lists(
    st.one_of(
        st.tuples(st.just("time"), st.integers(0, 25)),
        st.tuples(st.just("time"), st.sampled_from([-5, 100, 500])),
        st.tuples(st.just("points"), arrivals(-30, 0)),
        st.tuples(st.just("points"), arrivals(-300, 60)),
        st.tuples(st.just("points"), arrivals(-5_000, -4_500)),
        st.tuples(st.just("close"), st.none()),
        st.tuples(st.just("restart"), st.none()),
    ),
    max_size=40,
)


def add(assembler: Assembler, points: list[Arrival], now: int | None) -> Taken:
    return assembler.add(
        np.array([number for number, _, _, _ in points], dtype=np.intp),
        np.array([time for _, time, _, _ in points], dtype=np.int64),
        np.array([[math.nan if v is None else v for v in values] for *_, values in points], dtype=np.float64),
        np.array([tag for _, _, tag, _ in points], dtype=np.uint64),
        now,
    )


def assert_same(closed: Closed, expected: list[ModelWindow]) -> None:
    assert list(zip(closed.number.tolist(), closed.begin_ns.tolist(), strict=True)) == [
        (window.number, window.begin) for window in expected
    ]
    assert closed.points == sum(window.points for window in expected)
    assert closed.replaced == sum(window.replaced for window in expected)
    if expected:
        values = [[math.nan if v is None else v for v in window.values] for window in expected]
        np.testing.assert_allclose(closed.values, values, rtol=1e-9, atol=1e-6)
        np.testing.assert_array_equal(closed.counts, [window.counts for window in expected])


@settings(max_examples=150, deadline=None)
@given(ACTIONS, st.sampled_from([0, 10, 35]), st.sampled_from([0, 10, 60, 205]))
def test_windows_close_as_the_model_says(actions: list[tuple[str, Any]], lateness_ns: int, fill_ns: int) -> None:
    wanted = replace(SETTINGS, lateness_ns=lateness_ns, fill_ns=fill_ns, aggregates=AGGREGATES)
    assembler, model = Assembler(wanted), WindowModel(wanted)
    now, sent = CLOCK, 0
    taken = future = too_old = in_windows = 0
    late: Counter[tuple[int, int]] = Counter()
    seen: set[tuple[int, int]] = set()

    for action, argument in [*actions, ("everything", None)]:
        if action == "time":
            now += argument
        elif action == "points":
            points = [(number, now + time, tag, values) for number, time, tag, values in argument]
            sent += len(points)
            result = add(assembler, points, now)
            model.add(points, now)
            taken, future, too_old = taken + result.points, future + len(result.future), too_old + len(result.too_old)
            late.update(
                dict(
                    zip(
                        zip(result.late.number.tolist(), result.late.begin_ns.tolist(), strict=True),
                        result.late.points.tolist(),
                        strict=True,
                    )
                )
            )
        elif action == "restart":
            state = assembler.state()
            assembler = Assembler(wanted)
            assembler.restore(state)
            model.restart()
        else:
            nothing_due = not assembler.is_due(now) and action == "close"
            closed = assembler.close(now, everything=action == "everything")
            assert_same(closed, model.close(now, everything=action == "everything"))
            assert not (nothing_due and len(closed))
            keys = list(zip(closed.number.tolist(), closed.begin_ns.tolist(), strict=True))
            assert seen.isdisjoint(keys)
            assert not closed.early.any()
            seen.update(keys)
            in_windows += closed.points
        assert (taken, future, too_old) == (model.taken, model.future, model.too_old)
        assert late == Counter(model.late)
    assert assembler.open_points == 0
    assert sent == in_windows + future + too_old + late.total()


@settings(deadline=None)
@given(ACTIONS, st.integers(0, 20), st.sampled_from([0, 60]))
def test_every_point_is_somewhere_while_memory_is_short_and_series_are_forgotten(
    actions: list[tuple[str, Any]], most_points: int, fill_ns: int
) -> None:
    wanted = replace(SETTINGS, points_bytes=most_points * bytes_per_point(SETTINGS.fields), fill_ns=fill_ns)
    assembler, now = Assembler(wanted), CLOCK
    sent = elsewhere = 0
    windows: set[tuple[int, int]] = set()

    for step, (action, argument) in enumerate([*actions, ("everything", None)]):
        if action == "time":
            now += argument
        elif action == "points":
            result = add(assembler, [(number, now + time, tag, v) for number, time, tag, v in argument], now)
            sent += len(argument)
            elsewhere += len(result.future) + len(result.too_old) + len(result.late)
        elif action == "restart":
            elsewhere += assembler.forget(np.array([step % 4]))
            windows = {window for window in windows if window[0] != step % 4}
        all_closed = [assembler.close(now, everything=action == "everything")]
        if fill_ns and all_closed[0].early.any():
            # What closed early stands in windows that have not been there before.
            all_closed.append(assembler.close(now))
        for closed in all_closed:
            keys = list(zip(closed.number.tolist(), closed.begin_ns.tolist(), strict=True))
            assert windows.isdisjoint(keys)
            assert len(set(keys)) == len(keys)
            windows.update(keys)
            elsewhere += closed.points
        assert assembler.open_points <= most_points
        assert sent == elsewhere + assembler.open_points
        assert not assembler.is_due(now)
    assert assembler.open_points == 0
