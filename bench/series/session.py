"""The pipeline's task on a kapacitord of its own, up to its UDF; what comes out ends in a sink of this process."""

import os
import sys
import threading
import time
from pathlib import Path
from types import TracebackType
from typing import Self

from anomaly.kapacitor.tickscript import declared, find_script
from anomaly.kapacitor.variables import TaskSettings, vars_document
from anomaly.locations import METRICS, MODELS_VARIABLE, STATE_VARIABLE
from anomaly.pipeline import Pipeline
from bench.series.load import Body
from bench.udf.errors import BenchError
from bench.udf.processes import processor_seconds, resident_bytes
from bench.udf.sink import Sink
from bench.udf.writer import HttpWriter
from daemons.kapacitord import Kapacitord
from kapacitor_udf import wire_pb2 as wire

ROOT = Path(__file__).resolve().parents[2]
# The end of our script's part up to the UDF; what follows writes and alerts, which is not what is measured.
_UDF = ".spec(specification)"


class SeriesSession:
    """One pipeline's UDF behind a real kapacitord.

    Attributes:
        sink: keeps, of each score, the nanoseconds from the end of its window to its arrival.
        metrics: the UDF's own numbers, as they came last.
        measured_from_ns: windows that begin before it do not count as scores.
    """

    def __init__(self, pipeline: Pipeline, models: Path, kapacitord: Path, directory: Path) -> None:
        """Start kapacitord, and define the task.

        Args:
            pipeline: the pipeline.
            models: the directory of all models.
            kapacitord: the program.
            directory: an empty folder for kapacitord's files.
        """
        self._window_ns = pipeline.window_ns
        self.metrics: dict[str, float] = {}
        self._has_model = threading.Event()
        self.measured_from_ns = 0
        self.sink = Sink(directory / "sink", time.time_ns, self._delay)
        state = directory / "state"
        state.mkdir()
        source = os.pathsep.join(str(ROOT / "udf" / name / "src") for name in ("anomaly", "kapacitor_udf"))
        self._server = Kapacitord(
            kapacitord,
            directory / "kapacitor",
            {"anomaly": [sys.executable, "-m", "anomaly", "udf"], "sink": self.sink.path},
            environment={
                "PYTHONPATH": source,
                MODELS_VARIABLE: str(models),
                STATE_VARIABLE: str(state),
                "OPENBLAS_NUM_THREADS": "1",
            },
            timeout="60s",
            log_level="INFO",
        )
        self._writer = HttpWriter(self._server.url)
        script = find_script(pipeline, Path())
        script = script[: script.index(_UDF) + len(_UDF)] + "\n\nresults\n    @sink()\n"
        document = vars_document(TaskSettings(pipeline, "anomaly", "anomaly"), declared(script))
        self._server.define(pipeline.name, script, document=document)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._writer.close()
        self._server.__exit__(kind, error, trace)
        self.sink.close()

    def _delay(self, point: wire.Point, now_ns: int) -> int | None:
        if point.name == METRICS:
            self.metrics = {**point.fieldsDouble, **point.fieldsInt}
            if "model" in point.fieldsString:
                self._has_model.set()
        if point.name != "score" or point.time < self.measured_from_ns:
            return None
        return now_ns - point.time - self._window_ns

    def write(self, body: Body) -> None:
        """Write points, and wait until Kapacitor has put them into its stream."""
        self._writer.write(body.lines)

    def wait_for_model(self, patience_s: float) -> None:
        """Wait until the UDF says that it has loaded the model.

        Raises:
            BenchError: it has not within `patience_s` seconds.
        """
        if not self._has_model.wait(patience_s):
            raise BenchError(f"the UDF has not loaded the model within {patience_s:g} s; it says {self.metrics}")

    def wait_for_scores(self, count: int, patience_s: float) -> None:
        """Wait for this many scores since the last `sink.take`, those before `measured_from_ns` left out.

        Raises:
            BenchError: none has come for `patience_s` seconds.
        """
        try:
            self.sink.wait_for(count, patience_s)
        except TimeoutError as error:
            log = "\n".join(self._server.log[-20:])
            raise BenchError(f"{error}; the UDF says {self.metrics}. Kapacitor's log ends with:\n{log}") from error

    @property
    def udf_seconds(self) -> float:
        """What the UDF's process has had of the processors so far, in seconds."""
        return processor_seconds(self._udf)

    @property
    def kapacitord_seconds(self) -> float:
        """What kapacitord has had of the processors so far, in seconds."""
        return processor_seconds(self._server.process.pid)

    @property
    def udf_bytes(self) -> int:
        """Resident memory of the UDF's process."""
        return resident_bytes(self._udf)

    @property
    def kapacitord_bytes(self) -> int:
        """Resident memory of kapacitord."""
        return resident_bytes(self._server.process.pid)

    @property
    def _udf(self) -> int:
        (pid,) = self._server.children()
        return pid
