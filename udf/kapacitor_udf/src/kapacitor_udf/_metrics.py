"""A UDF's own numbers as one more point of its output, so that they get where its results get.

The point has the measurement that is declared, the tags `udf`, `task` and `node`, and no group. Its fields are the
counters as totals since the start of the process, what is a state as it is, and whatever the handler has put into
`context.metrics`. It is made by a thread that is not the handler's: a handler that is stuck or slow is when the queue's
length matters.
"""

import re
import time

from ._counters import Counters
from ._data import BATCH, Batch, FieldValue, Point
from ._declaration import UDF, Metrics
from ._handlers import Context
from ._wire import encode_batch, encode_point


def frames(udf: UDF, metrics: Metrics, context: Context) -> bytes:
    """The metrics as of now, as frames for Kapacitor."""
    tags = {"udf": udf.name, "task": context.task, "node": context.node}
    point = Point(time.time_ns(), fields(context), tags, metrics.measurement)
    if udf.provides is BATCH:
        return encode_batch(Batch(point.name, tags, [point], point.time), [])[0]
    return encode_point(point, []) or b""


def fields(context: Context) -> dict[str, FieldValue]:
    """Every number by name: those of the library, and those of the handler."""
    counters = context.counters
    values: dict[str, FieldValue] = {"uptime_s": time.monotonic() - counters.started}
    values.update(_numbers(counters))
    # Copied in one step each: the handler's thread goes on meanwhile.
    rejected = dict(counters.rejected)
    values["rejected"] = sum(rejected.values())
    for reason, count in rejected.items():
        name = "rejected_" + re.sub(r"\W+", "_", reason).strip("_")
        values[name] = int(values.get(name, 0)) + count
    for name, number in counters.latency.as_dict().items():
        values[f"latency_{name}"] = number
    values["latency_max_s"] = counters.latency.take_highest()
    if counters.last_error:
        values["last_error"] = counters.last_error
    values.update(dict(context.metrics))
    return values


def _numbers(counters: Counters) -> dict[str, int]:
    return {name: value for name, value in counters.as_dict().items() if isinstance(value, int)}
