"""A UDF server for test_server: `server.py HANDLER PATH [preload]`, with the handlers of handlers.py."""

import sys

from kapacitor_udf import STREAM, UDF, Limits, serve

name, path, *preload = sys.argv[1:]
serve(
    UDF(wants=STREAM, provides=STREAM, handler=f"handlers:{name}", name="program"),
    path,
    limits=Limits(drain=1.0),
    mode=0o600,
    preload=bool(preload),
)
