"""A real kapacitord, live data and the clock: what a writer can do wrong, and who is told.

The windows are short, so that silence is soon told. What is waited for is a condition, never a time.
"""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from time import time_ns
from typing import Any

import numpy as np
import pytest

from anomaly.models.model import Model
from anomaly.models.store import Store
from anomaly.pipeline import Pipeline, normalize
from anomaly.pipeline.state import most_series
from anomaly.training.fit import train
from daemons.influxd import Influxd
from daemons.kapacitord import Kapacitord, wait_until
from tests.conformance.test_parity import running
from tests.unit.anomaly import printers
from tests.unit.anomaly.printers import FIELDS

pytestmark = pytest.mark.containers

Start = Callable[..., Kapacitord]
Row = dict[str, Any]
SECOND = 1_000_000_000
STEP_NS = SECOND // 10
YEAR_NS = 365 * 86_400 * SECOND
SAMPLES = printers.clean(7, 6_000)


def made(window: str, **more: Any) -> tuple[Pipeline, Model]:
    (pipeline,) = normalize(
        [{**printers.PIPELINE.as_dict(), "database": "db", "window": window, "periods": {}, **more}]
    )
    return pipeline, train(
        pipeline, printers.windows(printers.clean(1, 6_000), printers.clean(2, 6_000)), "v1", 0
    ).model


@pytest.fixture
def start(kapacitord: Start, influxd: Influxd, tmp_path: Path) -> Callable[..., Kapacitord]:
    """Start a kapacitord with the task of a pipeline and its model."""

    def started(pipeline: Pipeline, model: Model) -> Kapacitord:
        store = Store(tmp_path / "models", pipeline.name)
        store.write(model)
        store.promote(model.version)
        influxd.create("db", "anomaly")
        return running(kapacitord, influxd, pipeline, store.models)

    return started


def point(printer: str, begin_ns: int, number: int, step_ns: int, off: float = 0.0) -> str:
    row = SAMPLES[number % len(SAMPLES)] + [0.0, off, 0.0]
    fields = ",".join(f"{name}={value}" for name, value in zip(FIELDS, row.tolist(), strict=True))
    return f"temperature,printer={printer} {fields} {begin_ns + number * step_ns}"


class Live:
    """Writers that go on writing the present, each to its own series, until they are stopped."""

    def __init__(self, kapacitor: Kapacitord) -> None:
        self._kapacitor = kapacitor
        self._ends = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self.ahead_ns: dict[str, int] = {}

    def _run(self) -> None:
        number = 0
        while not self._ends.wait(STEP_NS / SECOND):
            now_ns = time_ns()
            lines = [point(name, now_ns + ahead_ns, number, 0) for name, ahead_ns in list(self.ahead_ns.items())]
            number += 1
            if lines:
                self._kapacitor.write(*lines)

    @contextmanager
    def writing(self) -> Iterator[None]:
        self._thread.start()
        try:
            yield
        finally:
            self._ends.set()
            self._thread.join()


def rows(influxd: Influxd, measurement: str, **tags: str) -> list[Row]:
    conditions = " AND ".join(f"\"{name}\" = '{value}'" for name, value in tags.items())
    where = f" WHERE {conditions}" if conditions else ""
    return [
        {**dict(zip(part.columns, row, strict=True)), **part.tags}
        for part in influxd.client.query(f'SELECT * FROM "{measurement}"{where} GROUP BY *', "anomaly")
        for row in part.rows
    ]


def scores(influxd: Influxd, printer: str) -> int:
    return len(rows(influxd, "score", printer=printer))


def silences(influxd: Influxd, printer: str, state: str) -> list[Row]:
    return [row for row in rows(influxd, "period", printer=printer, reason="no data") if row["state"] == state]


def test_live_series_fall_silent_and_meet_points_from_the_future(
    start: Callable[..., Kapacitord], influxd: Influxd
) -> None:
    # A writer that the machine stops for some seconds is not silent.
    pipeline, model = made("1s", periods={"silence": "12s"})
    kapacitor = start(pipeline, model)
    live = Live(kapacitor)
    with live.writing():
        # The very first point of a series is one of the next decade, and its writer goes on.
        kapacitor.write(point("a", time_ns() + 10 * YEAR_NS, 0, 0))
        live.ahead_ns = {"a": 0, "b": 0}
        wait_until(lambda: scores(influxd, "a") >= 2 and scores(influxd, "b") >= 2, "scores of both series")
        (clock,) = rows(influxd, "notice", notice="clock")
        assert (clock["printer"], clock["state"]) == ("a", "open")
        assert "ahead of this host's clock: refused" in clock["text"]

        # One of two stops: told while it lasts, and over when it is back.
        live.ahead_ns = {"b": 0}
        wait_until(lambda: silences(influxd, "a", "open"), "silence of a")
        (silence,) = silences(influxd, "a", "open")
        assert silence["joint"] is False
        live.ahead_ns = {"a": 0, "b": 0}
        wait_until(lambda: silences(influxd, "a", "closed"), "the end of the silence")
        assert [row["time"] for row in silences(influxd, "a", "closed")] == [silence["time"]]
        assert not rows(influxd, "notice", notice="silence")

        # Both stop at once: one notice.
        live.ahead_ns = {}
        wait_until(lambda: rows(influxd, "notice", notice="silence"), "the notice of a silent pipeline")
        (notice,) = rows(influxd, "notice", notice="silence")
        assert (notice["state"], notice["count"], notice["text"]) == ("open", 2, "all 2 series")
        wait_until(lambda: all(silences(influxd, name, "open") for name in "ab"), "silence of both series")
        assert [row["joint"] for name in "ab" for row in silences(influxd, name, "open")] == [True, True]

        # History of a year ago for a new series is scored meanwhile, and marked.
        kapacitor.write(*[point("old", time_ns() // SECOND * SECOND - YEAR_NS, n, STEP_NS) for n in range(100)])
        wait_until(lambda: scores(influxd, "old") >= 8, "scores of history")
        assert all(row["history"] for row in rows(influxd, "score", printer="old"))

        live.ahead_ns = {"a": 0, "b": 0}
        wait_until(
            lambda: [row["state"] for row in rows(influxd, "notice", notice="silence")] == ["closed"],
            "the end of the notice",
        )
    kapacitor.assert_healthy()


def test_a_host_that_is_ahead_beside_a_right_one_leaves_windows_whole(
    start: Callable[..., Kapacitord], influxd: Influxd
) -> None:
    # A writer that the machine stops for some seconds writes no late points, and is not silent.
    pipeline, model = made("1s", group_by=[], lateness="12s", periods={"silence": "1m"})
    kapacitor = start(pipeline, model)
    # Points wait for a process that is still starting, which then names each window that these may be lost of.
    kapacitor.wait_for_log("scoring with model")
    live = Live(kapacitor)
    live.ahead_ns = {"right": 0, "ahead": 250 * SECOND}
    with live.writing():
        wait_until(lambda: len(rows(influxd, "score")) >= 6, "scores of the merged series")
        (notice,) = rows(influxd, "notice", notice="clock")
    assert "ahead of this host's clock: taken" in notice["text"]
    # No point was late; the process may name the one window that it began in, as every process does.
    assert [row["points"] for row in rows(influxd, "late")] in ([], [0])
    assert not rows(influxd, "period")
    kapacitor.assert_healthy()


def test_a_writer_that_slows_down_is_scored_and_told(start: Callable[..., Kapacitord], influxd: Influxd) -> None:
    pipeline, model = made("10s", memory="8MiB")
    kapacitor = start(pipeline, model)
    begin_ns = 1_704_067_200 * SECOND
    usual = [point("printer-1", begin_ns, n, SECOND) for n in range(300)]
    slow = [point("printer-1", begin_ns, n, SECOND, off=20.0 * (n >= 900)) for n in range(300, 1_200, 3)]

    kapacitor.write(*usual, *slow)

    # The windows between the change and the time when it is the median are left out.
    wait_until(lambda: scores(influxd, "printer-1") >= 110, "scores of the slow writer")
    (notice,) = rows(influxd, "notice", notice="rate")
    assert notice["text"] in ("3 points a window, training saw 10", "4 points a window, training saw 10")
    found = rows(influxd, "period", printer="printer-1")
    assert [row["reason"] for row in found] == ["bed"]
    assert np.isclose(found[0]["begin_ms"] * 1_000_000, begin_ns + 900 * SECOND)

    # Beside it come more series than the memory is enough for: those without a point for longest are forgotten.
    most = most_series(pipeline)
    kapacitor.write(*[point(f"pod-{number}", begin_ns, 1_200, SECOND) for number in range(most + 100)])
    kapacitor.wait_for_log(f"`memory` is enough for {most} series: those without a point for longest are forgotten")
    kapacitor.write(*[point(f"pod-{most + 99}", begin_ns, number, SECOND) for number in range(1_200, 1_221)])
    wait_until(lambda: scores(influxd, f"pod-{most + 99}") >= 1, "a score of the newest of them")
    kapacitor.assert_healthy()
