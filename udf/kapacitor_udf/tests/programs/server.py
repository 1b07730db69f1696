"""A UDF server for test_server: `server.py HANDLER PATH [preload] [LIMIT=VALUE ...]`, a handler of handlers.py."""

import sys

from kapacitor_udf import STREAM, UDF, Limits, serve

name, path, *more = sys.argv[1:]
serve(
    UDF(wants=STREAM, provides=STREAM, handler=f"handlers:{name}", name="program"),
    path,
    limits=Limits.parse(["drain=1", *(each for each in more if "=" in each)]),
    mode=0o600,
    preload="preload" in more,
)
