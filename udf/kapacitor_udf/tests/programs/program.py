"""A UDF program for test_process: `program.py HANDLER [LIMIT=VALUE ...]`, with the handlers of handlers.py.

The limit `metrics` is how often it emits them, in seconds.
"""

import sys

from kapacitor_udf import BATCH, STREAM, UDF, Limits, Metrics, run

name, *limits = sys.argv[1:]
pairs = (each.split("=") for each in limits)
values = {key: float(value) if "." in value else int(value) for key, value in pairs}
every = values.pop("metrics", None)
run(
    UDF(
        wants=BATCH if name == "Batches" else STREAM,
        provides=STREAM,
        handler=f"handlers:{name}",
        name="program",
        metrics=None if every is None else Metrics(every=every),
    ),
    limits=Limits(**values),  # type: ignore[arg-type]
)
