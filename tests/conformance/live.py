"""A live stack of real daemons: a steady writer, Kapacitor with the UDF, InfluxDB, and the keeper if it is asked for.

The writer writes to both servers, as subscriptions are off here; what Kapacitor misses while it or its UDF is down is
lost to it, as it is on a host. `compare` says how the results differ from those of an undisturbed run.
"""

import json
import os
import signal
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from anomaly.influxdb.client import InfluxClientError
from anomaly.influxdb.lines import line
from anomaly.influxdb.source import read_series_windows
from anomaly.influxdb.times import TimeRange
from anomaly.kapacitor.tickscript import declared, find_script
from anomaly.kapacitor.variables import TaskSettings, vars_document
from anomaly.models.model import Model
from anomaly.models.store import Store
from anomaly.pipeline import Pipeline, canonical_json, normalize
from anomaly.scoring.events import EventCounter
from anomaly.scoring.results import results
from anomaly.scoring.scorer import Scorer
from daemons.daemon import WAIT
from daemons.influxd import Influxd
from daemons.kapacitord import Kapacitord, wait_until
from tests.unit.anomaly import printers
from tests.unit.anomaly.printers import FIELDS, PIPELINE

ROOT = Path(__file__).parents[2]
_PAUSE_S = 0.2
_SERIES = ("printer-1", "printer-2")
# Short windows, so that an outage of seconds loses several of them.
LIVE: Pipeline = normalize([{**PIPELINE.as_dict(), "database": "db", "window": "2s", "lateness": "2s"}])[0]


class Writer:
    """Writes points of two series all the time, to InfluxDB and to Kapacitor.

    Attributes:
        is_broken: whether the first series has a fault now.
    """

    def __init__(self, influxd: Influxd, kapacitor: Kapacitord) -> None:
        self.is_broken = False
        self._influxd = influxd
        self._kapacitor = kapacitor
        self._samples = [printers.clean(seed, 8_000) for seed in (31, 32)]
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self._waiting: list[str] = []
        self.begin_ns = time.time_ns()
        self._thread.start()

    def end(self) -> None:
        """Stop writing."""
        self._ended.set()
        self._thread.join()

    def _run(self) -> None:
        for number in range(len(self._samples[0])):
            now_ns = time.time_ns()
            lines = []
            for name, samples in zip(_SERIES, self._samples, strict=True):
                values = samples[number].tolist()
                if self.is_broken and name == _SERIES[0]:
                    values[1] += 9 * float(printers.SIGMA[1])
                fields = ",".join(f"{field}={value}" for field, value in zip(FIELDS, values, strict=True))
                lines.append(f"temperature,printer={name} {fields} {now_ns}")
            self._write(lines)
            if self._ended.wait(_PAUSE_S):
                return

    def _write(self, lines: list[str]) -> None:
        # As Telegraf does, the writer keeps what InfluxDB does not take.
        self._waiting += lines
        try:
            self._influxd.client.write(self._waiting, "db")
            self._waiting = []
        except InfluxClientError:
            return
        request = urllib.request.Request(  # noqa: S310 (http, to ourselves)
            f"{self._kapacitor.url}/write?db=db&rp=autogen&precision=ns", data="\n".join(lines).encode(), method="POST"
        )
        try:
            with urllib.request.urlopen(request, timeout=1):  # noqa: S310
                pass
        except (urllib.error.URLError, OSError):
            """It is down: it never gets these points."""


class LiveStack:
    """The daemons of one test, with the pipeline `LIVE`.

    Attributes:
        influxd: InfluxDB, with the databases `db` (points), `broken` (results) and `whole` (those without an outage).
        kapacitor: Kapacitor.
        writer: writes all the time.
        said: the file with what the keeper says.
        arrays: the file of the model's arrays.
    """

    def __init__(self, influxd: Influxd, kapacitor: Kapacitord, model: Model, directory: Path) -> None:
        self.influxd = influxd
        self.kapacitor = kapacitor
        self.model = model
        self.said = directory / "keeper.log"
        self.arrays = directory / "models" / LIVE.name / model.version / "model.npz"
        self._directory = directory
        self._spec = directory / "spec.json"
        self._spec.write_text(f"[{canonical_json(LIVE)}]")
        script = find_script(LIVE, Path())
        document = vars_document(TaskSettings(LIVE, "broken", "anomaly"), declared(script))
        kapacitor.define(LIVE.name, script, document=document)
        kapacitor.wait_for_task(LIVE.name, lambda task: task["executing"])
        self.writer = Writer(influxd, kapacitor)

    @contextmanager
    def keeper(self, messengers: dict[str, Any]) -> Iterator[subprocess.Popen[bytes]]:
        """Run the keeper, which looks each second and tells what lasts ten seconds."""
        path = self._directory / "messengers.json"
        path.write_text(json.dumps(messengers))
        words = ["keeper", "--spec", str(self._spec), "--models", str(self._directory / "models")]
        words += ["--influxdb-url", self.influxd.url, "--results-database", "broken", "--poll", "1"]
        words += ["--kapacitor-url", self.kapacitor.url.removesuffix("/kapacitor/v1"), "--messengers", str(path)]
        words += ["--state", str(self._directory / "keeper.json"), "--heartbeat", str(self._directory / "heartbeat")]
        words += ["--tell-after", "10", "--tell-back-after", "20", "--udf-state", str(self._directory / "state")]
        words += ["--hand-over", str(self._directory / "hand_over")]
        with self.said.open("ab") as said:
            process = subprocess.Popen(
                [sys.executable, "-m", "anomaly", *words], env={**os.environ, **environment()}, stderr=said
            )
        try:
            yield process
        finally:
            process.terminate()
            code = process.wait(WAIT)
            # pytest shows it where a test fails.
            print(self.said.read_text())
        assert code == 0

    def udf(self) -> int:
        """Return the process of the pipeline's UDF."""
        return wait_until(lambda: next(iter(self.kapacitor.children()), 0), "the UDF's process")

    def kill_udf(self) -> None:
        """End the UDF without a warning."""
        os.kill(self.udf(), signal.SIGKILL)

    def kill_kapacitor(self) -> None:
        """End Kapacitor without a warning."""
        self.kapacitor.process.kill()
        self.kapacitor.process.wait(WAIT)

    def scores(self, database: str = "broken") -> set[tuple[str, int]]:
        """Return the series and begins of all scores."""
        return set(self.content(database)["score"])

    def content(self, database: str) -> dict[str, dict[tuple[str, int], dict[str, Any]]]:
        """Return scores and periods by series and begin."""
        return {
            measurement: {
                (chunk.tags["printer"], row[0]): dict(zip(chunk.columns[1:], row[1:], strict=True))
                for chunk in self.influxd.client.query(f'SELECT * FROM "{measurement}" GROUP BY "printer"', database)
                for row in chunk.rows
            }
            for measurement in ("score", "period")
        }

    def undisturbed(self, end_ns: int) -> set[tuple[str, int]]:
        """Write what an undisturbed UDF would have written of the windows before `end_ns`; return their places."""
        window_ns = LIVE.window_ns
        begin_ns = self.writer.begin_ns // window_ns * window_ns
        span = TimeRange(begin_ns, end_ns // window_ns * window_ns)
        scorer = Scorer(LIVE, EventCounter("", lambda message: None))
        lines: list[str] = []
        for series in read_series_windows(self.influxd.client, LIVE, span.begin_ns, span.end_ns):
            for scored in scorer.feed(self.model, series):
                lines += [line(result) for result in results(LIVE, series.key, scored)]
        self.influxd.client.write(lines, "whole")
        return self.scores("whole")

    def taken_over(self) -> int:
        """Return how many series the UDF that runs has taken over from catch-ups."""
        query = 'SELECT last("series_taken_over") FROM "udf"'
        return next((int(row[1]) for chunk in self.influxd.client.query(query, "broken") for row in chunk.rows), 0)

    def wait_for_scores(self, places: set[tuple[str, int]]) -> None:
        """Wait until all these windows have a score."""
        wait_until(lambda: places <= self.scores(), f"the scores of {len(places)} windows")


def make_store(model: Model, directory: Path) -> Model:
    """Store a model of the printers as the current one of `LIVE`; return it as it is served."""
    served = Model(model.version, LIVE, model.scaling, model.detector, model.calibration, model.reference)
    store = Store(directory / "models", LIVE.name)
    store.write(served)
    store.promote(served.version)
    (directory / "state").mkdir()
    return served


def environment() -> dict[str, str]:
    """Return what `anomaly` needs as a process."""
    source = [str(ROOT / "udf" / name / "src") for name in ("anomaly", "kapacitor_udf")]
    return {"PYTHONPATH": os.pathsep.join(source), "OPENBLAS_NUM_THREADS": "1"}


def udf_command(directory: Path) -> Sequence[str]:
    """Return the UDF's command line."""
    return [sys.executable, "-m", "anomaly", "udf", "--models", str(directory / "models")]
