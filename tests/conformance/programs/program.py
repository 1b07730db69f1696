"""A UDF program for the conformance tests: `program.py HANDLER [SOCKET]`, a handler of handlers.py.

The environment's LIMITS are limits that differ, "NAME=VALUE ...".
"""

import os
import sys

from kapacitor_udf import BATCH, STREAM, STRING, UDF, Limits, Metrics, Option, run, serve

name, *socket = sys.argv[1:]
udf = UDF(
    wants=BATCH if name.startswith("Batch") else STREAM,
    provides=BATCH if name.endswith("Batch") else STREAM,
    handler=f"handlers:{name}",
    options=[Option("note", STRING, default="")],
    name=name,
    metrics=Metrics(every=0.1) if name.startswith("Measured") else None,
)
# Only what Kapacitor asks for counts as a keepalive here.
ours = ["queue_points=2000", "patience=0.2", "heartbeat=3600", *os.environ.get("LIMITS", "").split()]
limits = Limits.parse(ours)
if socket:
    serve(udf, socket[0], limits=limits)
run(udf, limits=limits)
