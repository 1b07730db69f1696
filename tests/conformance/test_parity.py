"""What Kapacitor and the UDF make of a stream is what a batch makes of the same points in InfluxDB, within 1e-9.

The whole way on both sides: the task's TICKscript, a real kapacitord, the UDF, influxDBOut; and
InfluxQL's windows of a real InfluxDB, scored by the core that backtests and catch-ups use.
"""

import os
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from anomaly.detectors.registry import NAMES
from anomaly.influxdb.source import read_series_windows
from anomaly.kapacitor.tickscript import declared, find_script
from anomaly.kapacitor.variables import TaskSettings, vars_document
from anomaly.locations import MODELS_VARIABLE, STATE_VARIABLE
from anomaly.models.model import Model
from anomaly.models.store import Store
from anomaly.pipeline import Pipeline, normalize
from anomaly.pipeline.specification import DEFAULT_DETECTOR
from anomaly.scoring.events import EventCounter
from anomaly.scoring.periods import NO_DATA
from anomaly.scoring.results import Result, results
from anomaly.scoring.scorer import Scorer
from anomaly.training.fit import train
from daemons.influxd import Influxd
from daemons.kapacitord import Kapacitord, wait_until
from tests.unit.anomaly import printers
from tests.unit.anomaly.printers import FIELDS, WINDOW, WINDOW_NS, Fault

Start = Callable[..., Kapacitord]
Point = tuple[int, str]
ROOT = Path(__file__).parents[2]
SECOND = 1_000_000_000
BEGIN_NS = 1_704_067_200 * SECOND
WINDOWS = 120
SERIES = ("printer-1", "printer-2", "printer-3")
# The third printer, which training has not seen, begins and ends with these windows. It is behind the others.
GUEST = range(30, 80)
GUEST_BEHIND_S = 37
# In seconds. The last of them goes on when Kapacitor is restarted.
FAULTS = (Fault("gap", (0, 1, 2), 203, 101), Fault("gap", (2,), 403, 24), Fault("offset", (1,), 555, 100, 9.0))
# Each kind of pipeline is restarted at another second of a window.
RESTART_S = 600


def integers(samples: np.ndarray) -> np.ndarray:
    """The air in hundredths of a degree, as a cheap sensor would tell it: an integer in InfluxDB."""
    return samples * [1.0, 1.0, 100.0]


CONTEXT: dict[str, Any] = {"parameters": {"context": ["difference", "deviation", "lag"], "models": "own"}}
# What counts of fields, and a field that is missing is usual.
COUNTING: dict[str, Any] = {
    "fields": [
        {"name": "hotend", "unit": "°C", "direction": "low"},
        {"name": "bed", "direction": "high", "min_deviation": 1.0},
        {"name": "air", "min_deviation": 30},
    ],
    "missing": "usual",
    "seasonality": "1w",
}


KINDS: list[tuple[str, dict[str, Any]]] = [
    *((name, {}) for name in NAMES),
    ("isolation_forest", CONTEXT),
    (DEFAULT_DETECTOR, COUNTING),
]


def made(detector: str, more: dict[str, Any]) -> tuple[Pipeline, Model]:
    """A pipeline of this detector that says more, and a model of it."""
    mapping = {**printers.PIPELINE.as_dict(), "database": "db", "detector": detector, "parameters": {}, **more}
    (pipeline,) = normalize([mapping])
    context = pipeline.parameters.get("context", ())
    # Context and models of series' own need a long history.
    seconds = 12_000 if context else 6_000
    history = [np.round(integers(printers.clean(seed, seconds))).astype(np.float64) for seed in (1, 2)]
    trained = train(pipeline, printers.windows(*history), "v1", seed=0)
    assert trained.plan.context_record().used == tuple(context)
    assert len(trained.plan.series_models_record().own) == (2 if context else 0)
    return pipeline, trained.model


def stream() -> list[tuple[int, str]]:
    """(time, line) of all printers in the order they are sent: by time, but for a few, and for the third printer."""
    sent = []
    for number, printer in enumerate(SERIES, 1):
        samples = printers.clean(40 + number, WINDOWS * WINDOW)
        for fault in FAULTS if number == 1 else ():
            printers.break_down(samples, fault)
        sent += [
            (BEGIN_NS + second * SECOND, line(printer, second, row))
            for second, row in enumerate(integers(samples).tolist())
            if np.isfinite(row).any() and (number < 3 or second // WINDOW in GUEST)
        ]
    sent.sort(key=lambda point: point[0] + GUEST_BEHIND_S * SECOND * (SERIES[2] in point[1]))
    # The 4th second of window 33 comes after its 7th.
    _move(sent, 333, 336)
    # Window 50 is told its first second once more, otherwise: the last word counts.
    _insert(sent, 505, line("printer-2", 500, [220.5, 90.5, 2810.0]))
    # Window 81 is told a second once more when it is over, otherwise: within the lateness, the last word counts.
    _insert(sent, 824, line("printer-1", 815, [220.25, 90.25, 2805.0]))
    # A point of the next century is refused, and nothing waits for it.
    _insert(sent, 850, f"temperature,printer=printer-1 hotend=1 {BEGIN_NS + 4_000_000_000 * SECOND}")
    return sent


def line(printer: str, second: int, row: Sequence[float]) -> str:
    """A point without the fields that are missing; now and then one with the first of them only."""
    fields = [f"{name}={value}" for name, value in zip(FIELDS[:2], row[:2], strict=True) if np.isfinite(value)]
    fields += [f"air={round(row[2])}i"] if np.isfinite(row[2]) else []
    fields = fields[:1] if second % 97 == 50 else fields
    return f"temperature,printer={printer} {','.join(fields)} {BEGIN_NS + second * SECOND}"


def _insert(sent: list[tuple[int, str]], second: int, text: str) -> None:
    """Sends `text` right after the points of a second."""
    time_ns = BEGIN_NS + second * SECOND
    place = next(index for index, point in enumerate(sent) if point[0] > time_ns)
    sent.insert(place, (time_ns, text))


def _move(sent: list[tuple[int, str]], second: int, after: int) -> None:
    moved = [point for point in sent if point[0] == BEGIN_NS + second * SECOND]
    for point in moved:
        sent.remove(point)
        _insert(sent, after, point[1])


def running(kapacitord: Start, influxd: Influxd, pipeline: Pipeline, models: Path) -> Kapacitord:
    """A kapacitord with the pipeline's task, as the role pipelines would define it."""
    source = [str(ROOT / "udf" / name / "src") for name in ("anomaly", "kapacitor_udf")]
    programs = Path(__file__).parent / "programs"
    state = models.parent / "state"
    state.mkdir()
    kapacitor = kapacitord(
        commands={"anomaly": [sys.executable, str(programs / "announcing.py")]},
        environment={
            "PYTHONPATH": os.pathsep.join([*source, str(programs)]),
            MODELS_VARIABLE: str(models),
            STATE_VARIABLE: str(state),
        },
        influxdb=influxd.url,
        snapshot_interval="100ms",
        timeout="60s",
    )
    script = find_script(pipeline, Path())
    document = vars_document(TaskSettings(pipeline, "anomaly", "anomaly"), declared(script))
    kapacitor.define(pipeline.name, script, document=document)
    return kapacitor


def written(influxd: Influxd, measurement: str) -> dict[Point, dict[str, Any]]:
    """What is in the results database, by time and printer."""
    return {
        (row[0], part.tags["printer"]): {
            name: value for name, value in zip(part.columns[1:], row[1:], strict=True) if value is not None
        }
        for part in influxd.client.query(f'SELECT * FROM "{measurement}" GROUP BY "pipeline", "printer"', "anomaly")
        for row in part.rows
    }


def batch(influxd: Influxd, pipeline: Pipeline, model: Model) -> Iterator[Result]:
    """What a batch makes of all windows."""
    scorer = Scorer(pipeline, EventCounter("", lambda message: None))
    for run in read_series_windows(influxd.client, pipeline, BEGIN_NS, BEGIN_NS + WINDOWS * WINDOW_NS):
        for scored in scorer.feed(model, run):
            yield from results(pipeline, run.key, scored)


def assert_one(stream: dict[Point, dict[str, Any]], batch: dict[Point, dict[str, Any]]) -> None:
    """Both have equal points, with numbers within 1e-9. Those of the stream say that they are history."""
    assert stream.keys() == batch.keys()
    assert all(fields.pop("history") for fields in stream.values())
    for point, fields in batch.items():
        assert stream[point].keys() == fields.keys(), point
        for name, value in fields.items():
            same = pytest.approx(value, rel=1e-9, abs=1e-9) if isinstance(value, float) else value
            assert stream[point][name] == same, (point, name)


@pytest.mark.parametrize(
    ("detector", "more"),
    KINDS,
    ids=[*NAMES, "context", "counting"],
)
def test_stream_and_batch_are_one(
    kapacitord: Start, influxd: Influxd, tmp_path: Path, detector: str, more: dict[str, Any]
) -> None:
    restart_ns = BEGIN_NS + (RESTART_S + KINDS.index((detector, more))) * SECOND
    pipeline, model = made(detector, more)
    store = Store(tmp_path / "models", pipeline.name)
    store.write(model)
    store.promote(model.version)
    influxd.create("db", "anomaly")
    sent = stream()
    influxd.client.write([text for _, text in sent], "db")
    expected: dict[str, dict[Point, dict[str, Any]]] = {"score": {}, "period": {}}
    for result in batch(influxd, pipeline, model):
        expected[result.measurement][result.time_ns, result.tags["printer"]] = result.fields
    kapacitor = running(kapacitord, influxd, pipeline, store.models)

    cut = next(index for index, (time_ns, _) in enumerate(sent) if restart_ns <= time_ns < restart_ns + WINDOW_NS)
    kapacitor.write(*[text for _, text in sent[:cut]])
    # The second snapshot with all points is asked for after the first was saved.
    kapacitor.wait_for_log(f"snapshot after {cut} points", times=2)
    kapacitor.stop()
    kapacitor.start()
    kapacitor.write(*[text for _, text in sent[cut:]])
    # The last windows end when no point comes for a while, as nothing here is live.
    wait_until(lambda: len(written(influxd, "score")) >= len(expected["score"]), f"{len(expected['score'])} scores")

    # The first printer lacks ten windows for its silence and three for that of a field, cut-off ones included; these
    # three are scored where a field that is missing is usual.
    without_air = 3 if pipeline.missing == "usual" else 0
    assert len(expected["score"]) == 2 * WINDOWS - 10 - 3 + without_air + len(GUEST)
    assert sum("value_air" not in fields for fields in expected["score"].values()) == without_air
    reasons = {fields["reason"] for fields in expected["period"].values()}
    # Not every detector finds the offset with so little history; the default one has to, over the restart.
    assert reasons >= ({NO_DATA, "bed"} if detector == DEFAULT_DETECTOR else {NO_DATA})
    assert_one(written(influxd, "score"), expected["score"])
    assert_one(written(influxd, "period"), expected["period"])
    kapacitor.assert_healthy()
