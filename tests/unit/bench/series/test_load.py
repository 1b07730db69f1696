"""The points of bench.series, and how they are cut into writes."""

import itertools

import pytest

from bench.series.load import LIVE_NS, STEP_NS, bodies


@pytest.mark.parametrize("series", [1, 10, 300, 1_000, 10_000])
def test_a_live_write_holds_points_of_a_moment_and_all_points_are_written_once(series: int) -> None:
    written = list(bodies(series, 0, 2 * STEP_NS, LIVE_NS))

    times = [[int(line.rsplit(b" ", 1)[1]) for line in body.lines.splitlines()] for body in written]
    assert all(part[-1] - part[0] < LIVE_NS for part in times)
    assert [part[-1] for part in times] == [body.due_ns for body in written]
    found = list(itertools.chain.from_iterable(times))
    assert found == sorted(found)
    assert len(found) == 2 * series == sum(body.points for body in written)


def test_the_points_of_incomplete_hosts_lack_the_last_field() -> None:
    (body,) = bodies(4, 0, STEP_NS, incomplete=1)

    assert [b"queue=" in line for line in body.lines.splitlines()] == [False, True, True, True]
    assert all(b"load=" in line and b"temperature=" in line for line in body.lines.splitlines())
