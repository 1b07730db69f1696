"""A UDF program for test_process: `program.py HANDLER [LIMIT=VALUE ...]`, with the handlers of handlers.py."""

import sys

from kapacitor_udf import BATCH, STREAM, UDF, Limits, run

name, *limits = sys.argv[1:]
pairs = (each.split("=") for each in limits)
values = {key: float(value) if "." in value else int(value) for key, value in pairs}
run(
    UDF(wants=BATCH if name == "Batches" else STREAM, provides=STREAM, handler=f"handlers:{name}", name="program"),
    limits=Limits(**values),  # type: ignore[arg-type]
)
