"""Turns the rows of a CSV file into points, one at a time.

The caller names the columns of the time, the tags and the fields, and the fields' types. An error about a row names its
line, column and value, and the fix.
"""

import csv
import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta, tzinfo
from decimal import Decimal, InvalidOperation

from ingest.errors import IngestError
from ingest.points import SeriesPoint

EPOCH_UNITS_NS = {"epoch_s": 1_000_000_000, "epoch_ms": 1_000_000, "epoch_us": 1_000, "epoch_ns": 1}
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_LARGEST_NS = 2**63 - 1
# Numbers below each limit are in this unit: a time from 1973 to 5138 is in range in one unit only.
_AUTO_LIMITS = ((10**11, "epoch_s"), (10**14, "epoch_ms"), (10**17, "epoch_us"), (10**20, "epoch_ns"))

ParseTime = Callable[[str], int]


@dataclass(frozen=True)
class CsvLayout:
    """The meaning of the columns.

    Attributes:
        time: the column of the time.
        time_format: ``auto``, ``epoch_s``, ``epoch_ms``, ``epoch_us``, ``epoch_ns`` or a strptime format.
        zone: the time zone of times that name none.
        tags: columns that become tags.
        fields: columns that become fields; empty for all other columns.
        integers: fields whose values are whole numbers; all other fields are floats.
    """

    time: str
    time_format: str
    zone: tzinfo
    tags: tuple[str, ...]
    fields: tuple[str, ...]
    integers: tuple[str, ...]


@dataclass
class RowCounts:
    """Counts of the rows that were read.

    Attributes:
        rows: how many rows were read.
        bad: how many of them were bad, and left out.
        first: the message about the first bad row; None without one.
    """

    rows: int = 0
    bad: int = 0
    first: str | None = None


@dataclass
class CsvReplay:
    """Turns the rows of an opened CSV file into points.

    Attributes:
        lines: the file's lines.
        source: the file's name, for messages.
        layout: the meaning of the columns.
        skip: whether to leave bad rows out instead of raising.
        delimiter: the character between cells.
        tally: the counts of rows, kept up to date while reading.
    """

    lines: Iterable[str]
    source: str
    layout: CsvLayout
    skip: bool = False
    delimiter: str = ","
    tally: RowCounts = field(default_factory=RowCounts)

    def points(self) -> Iterator[SeriesPoint]:
        """Yield the points in the file's order, timestamps in nanoseconds.

        Raises:
            IngestError: a column is missing, or (unless ``skip``) a row is bad.
        """
        reader = csv.reader(self.lines, delimiter=self.delimiter, strict=True)
        columns = self._columns(self._next(reader))
        read_time: ParseTime | None = None
        fields = self.layout.fields or tuple(
            name for name in columns if name != self.layout.time and name not in self.layout.tags
        )
        if not fields:
            raise IngestError(f"{self.source}: no column is left to be a field. Fix: fewer --tag, or another file")
        while True:
            row = self._next(reader)
            if row is None:
                return
            if not row:
                continue
            self.tally.rows += 1
            try:
                if len(row) != len(columns):
                    raise _BadRowError(f"has {len(row)} values for {len(columns)} columns", "mend the row")
                cells = dict(zip(columns, row, strict=True))
                time_text = cells[self.layout.time].strip()
                reader_of_time = read_time or time_reader(self.layout, time_text)
                point = self._point(cells, fields, time_text, reader_of_time)
                # The first good row settles the time's format, so that a bad row does not decide it for all others.
                read_time = reader_of_time
            except _BadRowError as error:
                self._refuse(reader.line_num, error)
                continue
            yield point

    def _next(self, reader: Iterator[list[str]]) -> list[str] | None:
        """Return the next row; None at the end."""
        try:
            return next(reader)
        except StopIteration:
            return None
        except csv.Error as error:
            line = getattr(reader, "line_num", 0)
            raise IngestError(f"{self.source}: line {line}: is not CSV: {error}. Fix: mend the quoting") from error
        except UnicodeDecodeError as error:
            raise IngestError(f"{self.source}: is not UTF-8: {error}. Fix: convert it, as with iconv") from error

    def _columns(self, header: list[str] | None) -> list[str]:
        """Return the names of the columns. Raises IngestError if one is missing or there twice."""
        if header is None:
            raise IngestError(f"{self.source}: is empty. Fix: a file whose first line names the columns")
        columns = [name.strip() for name in header]
        named = {
            "--time-column": (self.layout.time,),
            "--tag": self.layout.tags,
            "--field": self.layout.fields,
            "--integer": self.layout.integers,
        }
        for option, names in named.items():
            for name in names:
                if name not in columns:
                    raise IngestError(
                        f"{self.source}: {option} {name}: there is no such column. Fix: one of {', '.join(columns)}"
                    )
        for name in columns:
            if columns.count(name) > 1:
                raise IngestError(f"{self.source}: two columns are named {name!r}. Fix: give them different names")
        return columns

    def _point(
        self, cells: Mapping[str, str], fields: Sequence[str], time_text: str, read_time: ParseTime
    ) -> SeriesPoint:
        """Make a point of a row's cells. Raises _BadRowError."""
        try:
            time_ns = read_time(time_text)
        except ValueError as error:
            raise _BadRowError(
                f"column {self.layout.time!r}: {time_text!r} is not a time ({error})",
                "mend it, or give --time-format epoch_s, epoch_ms, or a form such as '%d.%m.%Y %H:%M'",
            ) from error
        if abs(time_ns) > _LARGEST_NS:
            raise _BadRowError(f"column {self.layout.time!r}: {time_text!r} is out of range", "a smaller --time-format")
        tags = {name: cells[name].strip() for name in self.layout.tags if cells[name].strip()}
        # An empty cell is a missing value, not zero.
        values = {name: self._value(name, cells[name].strip()) for name in fields if cells[name].strip()}
        if not values:
            raise _BadRowError("no field has a value", "remove the row, or --on-error skip")
        return SeriesPoint(time_ns, tags, values)

    def _value(self, name: str, text: str) -> float | int:
        """Return the value of a field's cell. Raises _BadRowError."""
        if name in self.layout.integers:
            try:
                return int(text)
            except ValueError as error:
                raise _BadRowError(f"column {name!r}: {text!r} is not a whole number", "drop --integer") from error
        try:
            value = float(text)
        except ValueError as error:
            hint = "mend it, make the column a --tag, or name the columns you want with --field"
            raise _BadRowError(f"column {name!r}: {text!r} is not a number", hint) from error
        if not math.isfinite(value):
            raise _BadRowError(f"column {name!r}: {text!r} is not a value that InfluxDB holds", "leave the cell empty")
        return value

    def _refuse(self, line: int, error: "_BadRowError") -> None:
        """Count a bad row, or raise IngestError unless bad rows are skipped."""
        message = f"{self.source}: line {line}: {error.what}. Fix: {error.fix}"
        if not self.skip:
            raise IngestError(f"{message}; or go on without bad rows with --on-error skip") from error
        self.tally.bad += 1
        if self.tally.first is None:
            self.tally.first = message


class _BadRowError(Exception):
    """A row is bad.

    Attributes:
        what: what is wrong with it.
        fix: how to mend it.
    """

    def __init__(self, what: str, fix: str) -> None:
        super().__init__(what)
        self.what = what
        self.fix = fix


def time_reader(layout: CsvLayout, first: str) -> ParseTime:
    """Return a function that reads a cell as nanoseconds since 1970, and raises ValueError if it is not a time.

    Args:
        layout: the meaning of the columns.
        first: a time of the file; its form decides how ``auto`` reads all others.
    """
    form = layout.time_format
    if form == "auto":
        try:
            magnitude = abs(int(Decimal(first)))
        except (InvalidOperation, ValueError, OverflowError):
            return lambda text: _moment_ns(datetime.fromisoformat(text), layout.zone)
        form = next((unit for limit, unit in _AUTO_LIMITS if magnitude < limit), "epoch_ns")
    if form in EPOCH_UNITS_NS:
        unit = EPOCH_UNITS_NS[form]
        return lambda text: _epoch_ns(text, unit)
    return lambda text: _moment_ns(datetime.strptime(text, form), layout.zone)  # noqa: DTZ007 (gets layout.zone)


def _epoch_ns(text: str, unit: int) -> int:
    # Decimal is exact: a float of nanoseconds since 1970 is off by up to 128 ns.
    try:
        return int(Decimal(text) * unit)
    except (InvalidOperation, OverflowError) as error:
        raise ValueError("not a number") from error


def _moment_ns(moment: datetime, zone: tzinfo) -> int:
    aware = moment if moment.tzinfo is not None else moment.replace(tzinfo=zone)
    return (aware - _EPOCH) // timedelta(microseconds=1) * 1_000


def shifted(points: Iterable[SeriesPoint], by_ns: int) -> Iterator[SeriesPoint]:
    """Yield the points, each of them ``by_ns`` nanoseconds later."""
    for point in points:
        yield point._replace(time_ns=point.time_ns + by_ns)
