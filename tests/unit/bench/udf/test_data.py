"""The load has the asked number of points and groups, as well-formed line protocol."""

import re

import pytest

from bench.udf import data

LINE = re.compile(r"bench,source=s(\d+) hotend=-?\d+\.\d{3},bed=-?\d+\.\d{3},air=-?\d+\.\d{3} (\d+)")


@pytest.mark.parametrize("points", [1, 999, 1000, 1001, 100_000, 100_001])
def test_bodies_bring_as_many_points_as_asked_for(points: int) -> None:
    assert sum(body.count(b"\n") + 1 for body in data.load(100).bodies(points)) == points


@pytest.mark.parametrize("groups", [1, 100, 10_000])
def test_the_tag_takes_as_many_values_as_asked_for(groups: int) -> None:
    lines = b"\n".join(data.load(groups).bodies(10_000)).decode().splitlines()
    matches = [LINE.fullmatch(line) for line in lines]
    assert all(matches)
    assert len({match[1] for match in matches if match}) == groups
    assert len({match[2] for match in matches if match}) == len(lines)
