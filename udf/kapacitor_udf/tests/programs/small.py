"""A UDF program for test_process whose memory is bounded once it is initialized: `small.py HANDLER MEGABYTES`.

The bound is on top of what the process has then.
"""

import resource
import sys
from pathlib import Path

import numpy as np

from kapacitor_udf import STREAM, UDF, Context, FieldRows, FieldsHandler, Point, PointSink, StreamHandler, run

name, megabytes = sys.argv[1:]


def bound() -> None:
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    most = pages * resource.getpagesize() + int(megabytes) * 2**20
    resource.setrlimit(resource.RLIMIT_AS, (most, most))


class Echo(StreamHandler[PointSink]):
    def __init__(self, context: Context) -> None:
        super().__init__(context)
        bound()

    def point(self, point: Point, out: PointSink) -> None:
        out.point(point)


class Adding(FieldsHandler):
    def __init__(self, context: Context) -> None:
        super().__init__(context, fields=["a"], adds={"b": float})
        bound()

    def add_fields(self, rows: FieldRows) -> dict[str, np.ndarray]:
        return {"b": rows.values[:, 0] * 2}


if name == "Echo":
    run(UDF(wants=STREAM, provides=STREAM, handler=Echo, name="small"))
run(UDF(wants=STREAM, provides=STREAM, handler=Adding, name="small"))
