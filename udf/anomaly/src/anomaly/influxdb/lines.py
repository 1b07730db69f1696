r"""Results as InfluxDB's line protocol.

The library's `influxdb.line_protocol.make_line` doubles backslashes in tags, which InfluxDB takes literally: a series
with one in its name would become another. So these few lines are our own. Source: InfluxDB 1.x, "Line protocol
reference", special characters. Floats are written with all their digits.
"""

from anomaly.scoring.results import Result

_IN_TAGS = str.maketrans({",": "\\,", "=": "\\=", " ": "\\ "})
_IN_TEXT = str.maketrans({"\\": "\\\\", '"': '\\"'})


def line(result: Result) -> str:
    """Return a result as one line without its end, the time in nanoseconds.

    Tags without a value are left out, as InfluxDB does not have them.
    """
    tags = "".join(f",{_tag(name)}={_tag(value)}" for name, value in sorted(result.tags.items()) if value)
    fields = ",".join(f"{_tag(name)}={_value(value)}" for name, value in result.fields.items())
    return f"{result.measurement}{tags} {fields} {result.time_ns}"


def _tag(text: str) -> str:
    return text.translate(_IN_TAGS)


def _value(value: float | int | str | bool) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return f"{value}i"
    if isinstance(value, float):
        return repr(value)
    return f'"{value.translate(_IN_TEXT)}"'
