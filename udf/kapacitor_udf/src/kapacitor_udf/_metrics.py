"""A UDF's own numbers as one more point of its output, so that they get where its results get.

The point has the declared measurement, the tags `udf`, `task` and `node`, and no group. Its fields are the counters,
the latency, and whatever the handler has put into `context.metrics`. Another thread than the handler's makes it, since
the length of the queue matters most while the handler is stuck or slow.
"""

import re
import time
from typing import Any

from ._counters import Counters
from ._data import BATCH, Batch, FieldValue, Point
from ._declaration import UDF, Metrics
from ._handlers import Context
from ._wire import encode_batch, encode_point


def frames(udf: UDF[Any], metrics: Metrics, context: Context) -> bytes:
    """Encode the metrics as of now.

    Args:
        udf: the declaration.
        metrics: its declaration of metrics.
        context: where the numbers are.

    Returns:
        Frames for Kapacitor.

    Raises:
        TypeError: The handler added a value that cannot be sent.
        ValueError: The handler added a value that cannot be sent.
    """
    tags = {"udf": udf.name, "task": context.task, "node": context.node}
    point = Point(time.time_ns(), fields(context), tags, metrics.measurement)
    if udf.provides is BATCH:
        return encode_batch(Batch(point.name, tags, [point], point.time), [])[0]
    return encode_point(point, []) or b""


def fields(context: Context) -> dict[str, FieldValue]:
    """Collect every number by name, the library's and the handler's.

    Args:
        context: where the numbers are.
    """
    counters = context.counters
    values: dict[str, FieldValue] = {"uptime_s": time.monotonic() - counters.started}
    values.update(_numbers(counters))
    # Each is copied in one step, since the handler's thread goes on meanwhile.
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
