"""The declaration of the Kapacitor UDF: light, so that Info is answered before numpy is loaded."""

import os
from pathlib import Path

from anomaly.locations import METRICS, MODELS_VARIABLE
from anomaly.pipeline import parse
from kapacitor_udf import STREAM, STRING, UDF, Limits, Metrics, Option, Point, run, serve

# History that is written at once (a demonstration, a replay, a writer that was cut off) arrives faster than it is
# scored. A point has some 100 bytes, so the limit of bytes (64 MiB) holds before this one where points are larger.
_LIMITS = Limits(queue_points=500_000)


def _check(spec: str) -> None:
    # SpecError is a ValueError, whose message Kapacitor gets.
    parse(spec)


def declaration() -> UDF[Point]:
    """Return what Kapacitor is told, and where the handler is found once Init arrives."""
    return UDF(
        wants=STREAM,
        provides=STREAM,
        handler="anomaly.serving.handler:AnomalyHandler",
        options=[Option("spec", STRING, help="the pipeline as canonical JSON", check=_check)],
        name="anomaly",
        metrics=Metrics(METRICS),
    )


def main(models: str | None = None, socket: Path | None = None) -> None:
    """Serve Kapacitor until it ends the process, or a signal ends the server.

    Args:
        models: the directory of all models.
        socket: the Unix socket to listen on, with a process for each connection; None: stdin and stdout.
    """
    if models is not None:
        os.environ[MODELS_VARIABLE] = models
    if socket is not None:
        serve(declaration(), socket, limits=_LIMITS)
    run(declaration(), limits=_LIMITS)
