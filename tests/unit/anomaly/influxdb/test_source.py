"""Windows that InfluxDB answers, with the ones that `fill: previous` fills, against a plain reference and the UDF's."""

import math
import re
from collections.abc import Iterator, Sequence
from typing import Any, cast
from unittest.mock import patch

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from anomaly.influxdb import point_source
from anomaly.influxdb.client import InfluxClient, SeriesChunk
from anomaly.influxdb.point_source import InvalidValues
from anomaly.influxdb.source import read_series_windows, read_window_counts, split_range
from anomaly.pipeline import Pipeline, normalize
from anomaly.windows.assembler import Assembler, Settings
from anomaly.windows.completeness import scorable_windows
from anomaly.windows.cut import cut
from anomaly.windows.derivation import derivation_of
from anomaly.windows.validity import INVALID, validity_of
from tests.unit.anomaly.windows.reference import aggregate

AGGREGATES = ("mean", "stddev", "spread", "count", "sum", "median")
SECOND = 1_000_000_000
WINDOW = 10 * SECOND
BEGIN = 1_700_000_000 * SECOND
OF_STANDING = {"stddev": 0.0, "spread": 0.0, "count": 1.0}
# Host, seconds after BEGIN, values of the fields.
Written = tuple[str, int, tuple[float | None, float | None]]


def filling(bound: str = "1m") -> Pipeline:
    return normalize(
        [
            {
                "name": "home",
                "database": "home",
                "measurement": "climate",
                "fields": ["warmth", "damp"],
                "group_by": ["host"],
                "window": "10s",
                "aggregate": list(AGGREGATES),
                "lateness": "0s",
                "fill": {"previous": bound},
            }
        ]
    )[0]


class Stored:
    """An InfluxDB that holds some points and answers the two queries that read windows, in chunks of two rows."""

    def __init__(self, pipeline: Pipeline, points: Sequence[Written]) -> None:
        self.pipeline = pipeline
        self.points = points

    def query(self, text: str, database: str) -> Iterator[SeriesChunk]:
        assert database == self.pipeline.database
        bounds = re.search(r"time >= (\d+) AND time < (\d+)", text)
        assert bounds, text
        begin, end = int(bounds[1]), int(bounds[2])
        for host in sorted({host for host, _, _ in self.points}):
            mine = [
                (BEGIN + second * SECOND, values)
                for name, second, values in self.points
                if name == host and begin <= BEGIN + second * SECOND < end
            ]
            yield from (
                self._last(text, host, mine) if text.startswith("SELECT last(") else self._windows(text, host, mine)
            )

    def _last(self, text: str, host: str, mine: list[Any]) -> Iterator[SeriesChunk]:
        place = 0 if 'last("warmth")' in text else 1
        assert text.endswith('GROUP BY "host"')
        found = [(time, values[place]) for time, values in mine if values[place] is not None]
        if found:
            yield SeriesChunk("climate", {"host": host}, ["time", "last"], [list(max(found))])

    def _windows(self, text: str, host: str, mine: list[Any]) -> Iterator[SeriesChunk]:
        """Answer with aggregates and last values only where the query asks for them."""
        rows = []
        for begin in sorted({time // WINDOW * WINDOW for time, _ in mine}):
            samples = [
                sorted(
                    (time, values[place])
                    for time, values in mine
                    if time // WINDOW * WINDOW == begin and values[place] is not None
                )
                for place in range(2)
            ]
            if any(samples):
                aggregates = [aggregate(each, name) for each in samples for name in self.pipeline.aggregate]
                rows.append(
                    [begin, *(aggregates if 'AS "a0"' in text else ())]
                    + [len(each) or None for each in samples]
                    + [max(each)[1] if each else None for each in samples if 'AS "l0"' in text]
                )
        columns = ["time", *re.findall(r'AS "(\w+)"', text)]
        for at in range(0, len(rows), 2):
            yield SeriesChunk("climate", {"host": host}, columns, rows[at : at + 2])


def expected(points: Sequence[Written], begin: int, end: int, bound: int) -> dict[tuple[str, int], list[float]]:
    """Every window that has points or is filled, second by second and field by field, with its values and counts."""
    windows = {}
    for host in {host for host, _, _ in points}:
        for window in range(begin, end, WINDOW):
            values, counts = [], []
            for place in range(2):
                known = sorted(
                    (BEGIN + second * SECOND, value)
                    for name, second, each in points
                    for value in [each[place]]
                    if name == host and value is not None and BEGIN + second * SECOND < window + WINDOW
                )
                samples = [(time, value) for time, value in known if time >= window]
                last = known[-1] if known else None
                if samples:
                    made = [aggregate(samples, name) for name in AGGREGATES]
                elif last is not None and window - last[0] // WINDOW * WINDOW <= bound:
                    made = [OF_STANDING.get(name, last[1]) for name in AGGREGATES]
                else:
                    made = [None] * len(AGGREGATES)
                values += [math.nan if value is None else value for value in made]
                counts.append(float(len(samples)))
            if not np.isnan(values).all():
                windows[host, window] = values + counts
    return windows


def read(pipeline: Pipeline, points: Sequence[Written], begin: int, end: int, pieces: int) -> dict[Any, list[float]]:
    influx = cast("InfluxClient", Stored(pipeline, points))
    found = {}
    for piece in split_range(begin, end, cut(WINDOW), least_windows=pieces):
        for series in read_series_windows(influx, pipeline, *piece):
            assert len(series)
            for at, window in enumerate(series.begin_ns.tolist()):
                assert (series.key[0], window) not in found
                found[series.key[0], window] = [*series.values[at].tolist(), *series.counts[at].tolist()]
    return found


def assert_same(found: dict[Any, list[float]], wanted: dict[Any, list[float]]) -> None:
    assert sorted(found) == sorted(wanted)
    for at, values in wanted.items():
        np.testing.assert_allclose(found[at], values, rtol=1e-9, atol=1e-9)


POINTS = st.lists(
    st.tuples(
        st.sampled_from(["attic", "cellar"]),
        st.integers(0, 400),
        st.tuples(st.none() | st.floats(-50, 50), st.none() | st.integers(0, 3).map(float)),
    ),
    max_size=25,
    unique_by=lambda point: point[:2],
)


@settings(deadline=None, max_examples=60)
@given(POINTS, st.integers(0, 30), st.integers(1, 12), st.sampled_from(["10s", "25s", "1m", "10m"]))
def test_windows_are_filled_as_a_plain_reference_fills_them(
    points: list[Written], first: int, pieces: int, bound: str
) -> None:
    pipeline = filling(bound)
    begin, end = BEGIN + first * WINDOW, BEGIN + 60 * WINDOW
    wanted = expected(points, begin, end, pipeline.fill.bound_ns)
    assert_same(read(pipeline, points, begin, end, pieces), wanted)


@settings(deadline=None, max_examples=30)
@given(
    POINTS,
    st.sampled_from([["mean"], ["mean", "stddev"], ["stddev"], ["spread"], ["mean", "count", "spread"]]),
    st.sampled_from(["skip", "usual"]),
)
def test_numbers_of_points_tell_which_windows_can_be_scored(
    points: list[Written], aggregates: list[str], missing: str
) -> None:
    mapping = {**filling().as_dict(), "aggregate": aggregates, "missing": missing}
    (pipeline,) = normalize([{name: value for name, value in mapping.items() if name != "fill"}])
    influx = cast("InfluxClient", Stored(pipeline, points))
    span = (BEGIN, BEGIN + 60 * WINDOW)

    counted = list(read_window_counts(influx, pipeline, *span))
    whole = list(read_series_windows(influx, pipeline, *span))

    assert [windows.key for windows in counted] == [windows.key for windows in whole]
    for one, other in zip(counted, whole, strict=True):
        assert one.begin_ns.tolist() == other.begin_ns.tolist()
        assert one.counts.tolist() == other.counts.tolist()
        assert np.isnan(one.values).tolist() == np.isnan(other.values).tolist()
        masks = [
            scorable_windows(pipeline, each, np.full(2, 2.0), allow_single_points=True).mask for each in (one, other)
        ]
        assert masks[0].tolist() == masks[1].tolist()


def test_windows_that_are_filled_are_read_whole_to_tell_which_can_be_scored() -> None:
    points: list[Written] = [("attic", 5, (1.0, 2.0)), ("attic", 31, (4.0, None))]
    influx, pipeline = cast("InfluxClient", Stored(filling(), points)), filling()
    found = [
        list(each(influx, pipeline, BEGIN, BEGIN + 60 * WINDOW)) for each in (read_window_counts, read_series_windows)
    ]
    assert [windows.begin_ns.tolist() for windows in found[0]] == [windows.begin_ns.tolist() for windows in found[1]]
    assert sum(map(len, found[0])) > 2


@settings(deadline=None, max_examples=60)
@given(POINTS, st.sampled_from(["25s", "1m", "10m"]), st.booleans())
def test_the_udf_fills_the_same_windows(points: list[Written], bound: str, is_live: bool) -> None:
    pipeline = filling(bound)
    assembler = Assembler(
        Settings(WINDOW, 0, 300 * SECOND, 2, AGGREGATES, 5 * SECOND, 86_400 * SECOND, fill_ns=pipeline.fill.bound_ns)
    )
    hosts, found = ["attic", "cellar"], {}
    ends = dict.fromkeys(hosts, 500 * SECOND)

    def close(now_ns: int | None) -> None:
        closed = assembler.close(now_ns)
        for number, window, values, counts in zip(
            closed.number.tolist(), closed.begin_ns.tolist(), closed.values, closed.counts, strict=True
        ):
            found[hosts[number], window] = [*values.tolist(), *counts.tolist()]

    by_second = {second: [point for point in points if point[1] == second] for second in range(500)}
    for second in range(500):
        now_ns = BEGIN + second * SECOND if is_live else None
        if by_second[second]:
            assembler.add(
                np.array([hosts.index(host) for host, _, _ in by_second[second]]),
                np.full(len(by_second[second]), BEGIN + second * SECOND),
                np.array([[math.nan if v is None else v for v in values] for _, _, values in by_second[second]]),
                np.zeros(len(by_second[second]), dtype=np.uint64),
                now_ns,
            )
        close(now_ns)
    if not is_live:
        # A replay ends with a series' last point: the windows that are filled after it are a catch-up's.
        newest = {host: max(second for name, second, _ in points if name == host) for host, _, _ in points}
        ends.update({host: (second // 10) * WINDOW for host, second in newest.items()})
    wanted = {
        (host, window): values
        for (host, window), values in expected(points, BEGIN, BEGIN + 49 * WINDOW, pipeline.fill.bound_ns).items()
        if is_live or window < BEGIN + ends[host]
    }
    assert_same({at: values for at, values in found.items() if not np.isnan(values[:-2]).all()}, wanted)


class StoredPoints:
    """An InfluxDB that holds some points and answers the query for them, in chunks of two rows of one host."""

    def __init__(self, pipeline: Pipeline, points: Sequence[Written]) -> None:
        self.pipeline = pipeline
        self.points = points

    def query(self, text: str, database: str) -> Iterator[SeriesChunk]:
        assert text.startswith('SELECT "warmth", "damp" FROM'), text
        assert text.endswith("GROUP BY *")
        bounds = re.search(r"time >= (\d+) AND time < (\d+)", text)
        assert bounds, text
        for host in sorted({host for host, _, _ in self.points}):
            rows = sorted(
                [BEGIN + second * SECOND, *values]
                for name, second, values in self.points
                if name == host
                and int(bounds[1]) <= BEGIN + second * SECOND < int(bounds[2])
                and values != (None, None)
            )
            for at in range(0, len(rows), 2):
                yield SeriesChunk("climate", {"host": host}, ["time", "warmth", "damp"], rows[at : at + 2])


RULES = [{"name": "warmth", "valid": [-20, 20]}, {"name": "both", "expression": "warmth + damp"}]


def of_rules(bound: str) -> Pipeline:
    return normalize([{**filling(bound).as_dict(), "fields": RULES}])[0]


def ruled(points: Sequence[Written]) -> list[Written]:
    """What RULES make of points, as a person would say it."""
    made = []
    for host, second, (warmth, damp) in points:
        valid = warmth if warmth is not None and -20 <= warmth <= 20 else None
        both = None if valid is None or damp is None else valid + damp
        made.append((host, second, (valid, both)))
    return made


def known(found: dict[Any, list[float]]) -> dict[Any, list[float]]:
    """The windows that have any aggregate: one whose points have invalid values alone says as much as none."""
    return {at: values for at, values in found.items() if not np.isnan(values[:-2]).all()}


@settings(deadline=None, max_examples=40)
@given(POINTS, st.integers(0, 30), st.integers(1, 12), st.sampled_from(["10s", "25s", "1m", "10m"]))
def test_valid_values_and_expressions_stand_as_a_plain_reference_lets_them(
    points: list[Written], first: int, pieces: int, bound: str
) -> None:
    pipeline = of_rules(bound)
    begin, end = BEGIN + first * WINDOW, BEGIN + 60 * WINDOW
    influx, invalid = cast("InfluxClient", StoredPoints(pipeline, points)), InvalidValues()
    found: dict[Any, list[float]] = {}
    with patch.object(point_source, "_FIRST_WINDOWS", 3):
        for piece in split_range(begin, end, cut(WINDOW), least_windows=pieces):
            for series in read_series_windows(influx, pipeline, *piece, invalid=invalid):
                for at, window in enumerate(series.begin_ns.tolist()):
                    assert (series.key[0], window) not in found
                    found[series.key[0], window] = [*series.values[at].tolist(), *series.counts[at].tolist()]
    assert_same(known(found), expected(ruled(points), begin, end, pipeline.fill.bound_ns))
    beyond = [second for _, second, (warmth, _) in points if warmth is not None and not -20 <= warmth <= 20]
    # What was read to know what stands is not counted again.
    assert invalid.total() == sum(begin <= BEGIN + second * SECOND < end for second in beyond)


@settings(deadline=None, max_examples=25)
@given(POINTS, st.sampled_from(["25s", "1m", "10m"]))
def test_the_udf_lets_the_same_valid_values_and_expressions_stand(points: list[Written], bound: str) -> None:
    pipeline, hosts = of_rules(bound), ["attic", "cellar"]
    validity = validity_of(pipeline)
    assert validity is not None
    assembler = Assembler(
        Settings(
            WINDOW,
            0,
            300 * SECOND,
            2,
            AGGREGATES,
            5 * SECOND,
            86_400 * SECOND,
            derivation=derivation_of(pipeline),
            fill_ns=pipeline.fill.bound_ns,
        )
    )
    found: dict[Any, list[float]] = {}
    for second in range(500):
        now_ns = BEGIN + second * SECOND
        for host, at, given_values in points:
            if at == second:
                values = np.array([[math.nan if value is None else value for value in given_values]])
                values[validity.beyond((host,), values)] = INVALID
                place = np.array([hosts.index(host)])
                assembler.add(place, np.array([now_ns]), values, np.zeros(1, dtype=np.uint64), now_ns)
        closed = assembler.close(now_ns)
        for number, window, values, counts in zip(
            closed.number.tolist(), closed.begin_ns.tolist(), closed.values, closed.counts, strict=True
        ):
            found[hosts[number], window] = [*values.tolist(), *counts.tolist()]
    assert_same(known(found), expected(ruled(points), BEGIN, BEGIN + 49 * WINDOW, pipeline.fill.bound_ns))


def test_a_pipeline_that_fills_nothing_asks_one_question() -> None:
    pipeline = normalize([{**filling().as_dict(), "fill": "none"}])[0]
    asked: list[str] = []

    class Asked(Stored):
        def query(self, text: str, database: str) -> Iterator[SeriesChunk]:
            asked.append(text)
            return iter(())

    list(read_series_windows(cast("InfluxClient", Asked(pipeline, [])), pipeline, BEGIN, BEGIN + WINDOW))
    assert len(asked) == 1
    assert "last(" not in asked[0]


@pytest.mark.parametrize("key", [None, ("attic",)])
def test_what_stood_before_is_asked_for_each_field_and_series(key: tuple[str, ...] | None) -> None:
    asked: list[str] = []

    class Asked(Stored):
        def query(self, text: str, database: str) -> Iterator[SeriesChunk]:
            asked.append(text)
            return iter(())

    pipeline = filling()
    list(read_series_windows(cast("InfluxClient", Asked(pipeline, [])), pipeline, BEGIN, BEGIN + WINDOW, key))
    of_series = "" if key is None else " AND \"host\" = 'attic'"
    assert asked[0] == (
        f'SELECT last("warmth") FROM "home"."autogen"."climate" WHERE time >= {BEGIN - 6 * WINDOW} AND time < {BEGIN}'
        f'{of_series} GROUP BY "host"'
    )
    assert len(asked) == 3
