r"""Results as InfluxDB's line protocol.

The library's `influxdb.line_protocol.make_line` doubles backslashes in tags, which InfluxDB takes literally: a series
with one in its name would become another. So these few lines are our own. Source: InfluxDB 1.x, "Line protocol
reference", special characters. Floats are written with all their digits.

A tag can neither hold a line break nor end in a backslash. InfluxDB has no such tags, but people can name one in a mark
of feedback: a line break becomes the two characters of its escape, and a space follows the backslash, so that no text
leaves its place in the line.
"""

from collections.abc import Iterable, Iterator, Mapping

import numpy as np

from anomaly.scoring.results import Result, ResultColumns, series_tags
from anomaly.windows.arrays import AnyArray, Bools

_IN_TAGS = str.maketrans({",": "\\,", "=": "\\=", " ": "\\ ", "\n": "\\n"})
_IN_TEXT = str.maketrans({"\\": "\\\\", '"': '\\"'})


def line(result: Result) -> str:
    """Return a result as one line without its end, the time in nanoseconds.

    Tags without a value are left out, as InfluxDB does not have them.
    """
    fields = ",".join(f"{_tag(name)}={_value(value)}" for name, value in result.fields.items())
    return f"{_head(result.measurement, result.tags)} {fields} {result.time_ns}"


def lines(results: Iterable[Result | ResultColumns]) -> Iterator[str]:
    """Yield results as lines, those in columns faster than one by one."""
    for result in results:
        if isinstance(result, Result):
            yield line(result)
            continue
        are_whole = _are_whole(result)
        yield from _lines_of_whole(result.where(are_whole))
        yield from map(line, result.where(~are_whole))


def _are_whole(columns: ResultColumns) -> Bools:
    """Return which points, shape (n,), have numbers in all fields that are columns."""
    are_whole = np.ones(len(columns), dtype=np.bool_)
    for values in columns.fields.values():
        if isinstance(values, np.ndarray):
            are_whole &= np.isfinite(values) if values.dtype.kind in "fi" else False
    return are_whole


def _lines_of_whole(columns: ResultColumns) -> Iterator[str]:
    """Yield points whose columns hold numbers, each series' by one format that has everything but the numbers."""
    formats, numbers = [], []
    for name, values in columns.fields.items():
        if isinstance(values, np.ndarray):
            formats.append(f"{_for_format(_tag(name))}={'%di' if values.dtype.kind == 'i' else '%r'}")
            numbers.append(values)
        elif values is not None:
            formats.append(_for_format(f"{_tag(name)}={_value(values)}"))
    for number, key in enumerate(columns.keys):
        is_mine = columns.series == number
        head = _for_format(_head(columns.measurement, series_tags(columns.pipeline, key)))
        row_format = f"{head} {','.join(formats)} %d"
        rows: Iterator[tuple[object, ...]] = zip(*_lists([*numbers, columns.times_ns], is_mine), strict=True)
        yield from (row_format % row for row in rows)


def _lists(arrays: Iterable[AnyArray], mask: Bools) -> Iterator[list[object]]:
    return (values[mask].tolist() for values in arrays)


def _head(measurement: str, tags: Mapping[str, str]) -> str:
    """Return measurement and tags, as a line begins with them."""
    return measurement + "".join(f",{_tag(name)}={_tag(value)}" for name, value in sorted(tags.items()) if value)


def _for_format(text: str) -> str:
    return text.replace("%", "%%")


def _tag(text: str) -> str:
    escaped = text.translate(_IN_TAGS)
    return f"{escaped}\\ " if escaped.endswith("\\") else escaped


def _value(value: float | int | str | bool) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return f"{value}i"
    if isinstance(value, float):
        return repr(value)
    return f'"{value.translate(_IN_TEXT)}"'
