from datetime import UTC
from zoneinfo import ZoneInfo

import pytest

from ingest.csvreplay import CsvLayout, CsvReplay, shifted
from ingest.errors import IngestError
from ingest.points import SeriesPoint, to_lines

SECOND = 1_767_225_600


def replay(text: str, skip: bool = False, **changes: object) -> CsvReplay:
    arguments: dict[str, object] = {
        "time": "timestamp",
        "time_format": "auto",
        "zone": UTC,
        "tags": (),
        "fields": (),
        "integers": (),
    }
    return CsvReplay(text.splitlines(keepends=True), "data.csv", CsvLayout(**(arguments | changes)), skip)  # type: ignore[arg-type]


def test_rows_become_points() -> None:
    source = replay(
        "timestamp,machine,a,b\n2026-01-01T00:00:00Z,m 1,1,2.5\n2026-01-01T00:00:01Z,,3,\n", tags=("machine",)
    )
    assert list(source.points()) == [
        SeriesPoint(SECOND * 10**9, {"machine": "m 1"}, {"a": 1.0, "b": 2.5}),
        SeriesPoint((SECOND + 1) * 10**9, {}, {"a": 3.0}),
    ]


def test_whole_numbers_are_floats_unless_told() -> None:
    text = "timestamp,a,b\n0,1,2\n"
    assert to_lines(replay(text).points(), "m", "n") == ["m a=1.0,b=2.0 0"]
    assert to_lines(replay(text, integers=("b",)).points(), "m", "n") == ["m a=1.0,b=2i 0"]


@pytest.mark.parametrize(
    ("form", "cell", "ns"),
    [
        ("auto", str(SECOND), SECOND * 10**9),
        ("auto", f"{SECOND}.123456789", SECOND * 10**9 + 123_456_789),
        ("auto", f"{SECOND}000", SECOND * 10**9),
        ("auto", f"{SECOND}000000", SECOND * 10**9),
        ("auto", f"{SECOND}000000001", SECOND * 10**9 + 1),
        ("auto", "2026-01-01 00:00:00", SECOND * 10**9),
        ("auto", "2026-01-01T01:00:00.000001+01:00", SECOND * 10**9 + 1_000),
        ("epoch_ms", "1000", 10**9),
        ("epoch_s", "1.5", 1_500_000_000),
        ("%d.%m.%Y %H:%M", "01.01.2026 00:00", SECOND * 10**9),
    ],
)
def test_times_are_read(form: str, cell: str, ns: int) -> None:
    assert [p.time_ns for p in replay(f"timestamp,a\n{cell},1\n", time_format=form).points()] == [ns]


def test_times_without_a_zone_are_in_the_given_one() -> None:
    source = replay("timestamp,a\n2026-01-01 01:00:00,1\n", zone=ZoneInfo("Europe/Berlin"))
    assert [p.time_ns for p in source.points()] == [SECOND * 10**9]


@pytest.mark.parametrize(
    ("row", "parts"),
    [
        ("2026-01-01T00:00:01Z,x", ["'a'", "'x'", "not a number"]),
        ("2026-01-01T00:00:01Z,nan", ["'a'", "'nan'"]),
        ("2026-01-01T00:00:01Z,inf", ["'a'", "'inf'"]),
        ("2026-01-01T00:00:01Z,", ["no field has a value"]),
        ("gestern,1", ["'timestamp'", "'gestern'", "--time-format"]),
        ("2026-01-01T00:00:01Z,1,2", ["3 values for 2 columns"]),
        ("9999-01-01T00:00:01Z,1", ["out of range"]),
    ],
)
def test_a_bad_row_stops_or_is_counted_and_the_first_explained(row: str, parts: list[str]) -> None:
    text = f"timestamp,a\n2026-01-01T00:00:00Z,1\n{row}\n2026-01-01T00:00:02Z,2\n{row}\n"
    with pytest.raises(IngestError) as raised:
        list(replay(text).points())
    for part in ["data.csv: line 3:", "Fix:", "--on-error skip", *parts]:
        assert part in str(raised.value)
    tolerant = replay(text, skip=True)
    assert [p.fields["a"] for p in tolerant.points()] == [1.0, 2.0]
    assert (tolerant.tally.rows, tolerant.tally.bad) == (4, 2)
    assert tolerant.tally.first is not None
    assert "line 3" in tolerant.tally.first


def test_a_bad_first_row_does_not_settle_how_times_are_read() -> None:
    source = replay(f"timestamp,a\noops,1\n{SECOND},2\n", skip=True)
    assert [p.time_ns for p in source.points()] == [SECOND * 10**9]


@pytest.mark.parametrize(
    ("text", "changes", "part"),
    [
        ("", {}, "is empty"),
        ("time,a\n", {}, "--time-column timestamp: there is no such column. Fix: one of time, a"),
        ("timestamp,a\n", {"tags": ("b",)}, "--tag b"),
        ("timestamp,a\n", {"fields": ("b",)}, "--field b"),
        ("timestamp,a\n", {"integers": ("b",)}, "--integer b"),
        ("timestamp,a,a\n", {}, "two columns are named 'a'"),
        ("timestamp,a\n", {"tags": ("a",)}, "no column is left"),
        ('timestamp,a\n0,"1\n', {}, "line 2: is not CSV"),
    ],
)
def test_a_file_of_another_shape_is_refused(text: str, changes: dict[str, object], part: str) -> None:
    with pytest.raises(IngestError) as raised:
        list(replay(text, False, **changes).points())
    assert part in str(raised.value)


def test_tags_and_names_are_escaped_by_the_client() -> None:
    source = replay('timestamp,the tag,a b\n0,"x, y=z",1\n', tags=("the tag",))
    assert to_lines(source.points(), "m, 1", "n") == ["m\\,\\ 1,the\\ tag=x\\,\\ y\\=z a\\ b=1.0 0"]


def test_points_are_shifted() -> None:
    assert [p.time_ns for p in shifted([SeriesPoint(5, {}, {"a": 1.0})], 10)] == [15]
