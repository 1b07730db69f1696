"""Measures one row: a number of series and a length of windows.

First a stretch that ended a day ago is sent as fast as Kapacitor takes it, which tells how many windows a second are
sustained. Then points are sent as they fall due, which tells how long a score takes, and what the processes need
meanwhile.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from anomaly.pipeline import Pipeline
from anomaly.pipeline.state import series_bytes
from bench.series.load import LIVE_NS, bodies
from bench.series.model import make_pipeline, store_model
from bench.series.session import SeriesSession
from bench.udf.percentiles import percentile

_DAY_NS = 86_400_000_000_000
_PATIENCE_S = 60.0
# The stretch that is sent at full speed has about this many windows, at least _LEAST of each series.
_WINDOWS = 20_000
_LEAST = 3
# The first and the last window of each series, which are sent as well and not measured.
_EDGES = 2
# Live, whole windows of each series that are measured. One comes before them: it follows a gap of a day.
_LIVE = 2


@dataclass(frozen=True, slots=True)
class SeriesRow:
    """What is measured.

    Attributes:
        series: the number of series, each with three fields and a point every two seconds.
        window: the length of a window.
        incomplete: how many of them lack a field, so that their windows are not scored.
        new: how many of the others the model does not know.
    """

    series: int
    window: str
    incomplete: int = 0
    new: int = 0

    @property
    def scored(self) -> int:
        """The number of series whose windows are scored."""
        return self.series - self.incomplete


@dataclass(frozen=True, slots=True)
class RowFigures:
    """What one row gave.

    Attributes:
        windows_per_s: windows scored a second, from the first write to the last score.
        windows_per_processor_s: windows scored a second that the UDF's process worked.
        points_per_s: points a second, of the same stretch.
        p50_ms: the median of the milliseconds from the end of a window to its score, live; a window waits a second for
            late points.
        p99_ms: its 99th percentile.
        udf_busy: the share of one processor that the UDF's process takes, live.
        kapacitord_busy: that of kapacitord.
        udf_mb: resident memory of the UDF's process, in 10**6 bytes.
        kapacitord_mb: that of kapacitord.
        feature_kb: what the UDF's resident memory grew by since the model was loaded, for each feature and series, in
            1,000 bytes: followers, open windows, periods, names.
        feature_kb_estimated: what preflight and `anomaly explain` take the state to need, in the same unit.
        state_bytes: the size of the state, as the UDF wrote it last; 0 if it has not.
        state_s: how long that took, in seconds.
    """

    windows_per_s: float
    windows_per_processor_s: float
    points_per_s: float
    p50_ms: float
    p99_ms: float
    udf_busy: float
    kapacitord_busy: float
    udf_mb: float
    kapacitord_mb: float
    feature_kb: float
    feature_kb_estimated: float
    state_bytes: float
    state_s: float


def measure(row: SeriesRow, memory: str, kapacitord: Path, scratch: Path, say: Callable[[str], None]) -> RowFigures:
    """Measure one row.

    Args:
        row: the row.
        memory: the pipeline's bound of what its series may take.
        kapacitord: the program.
        scratch: an empty folder.
        say: hears what is going on.

    Raises:
        BenchError: scores do not come.
    """
    pipeline = make_pipeline(row.window, memory)
    windows = max(_LEAST, _WINDOWS // row.series)
    end_ns = (time.time_ns() - _DAY_NS) // pipeline.window_ns * pipeline.window_ns
    begin_ns = end_ns - (windows + _EDGES) * pipeline.window_ns
    store_model(pipeline, scratch / "models", begin_ns, row.series - row.new)
    features = row.series * len(pipeline.fields) * len(pipeline.aggregate)
    with SeriesSession(pipeline, scratch / "models", kapacitord, scratch) as session:
        session.wait_for_model(_PATIENCE_S)
        without_series = session.udf_bytes
        say("at full speed")
        windows_per_s, per_processor_s, points_per_s = _at_full_speed(session, pipeline, row, begin_ns, windows)
        say("live")
        latencies, udf_busy, kapacitord_busy = _live(session, pipeline, row)
        return RowFigures(
            windows_per_s=windows_per_s,
            windows_per_processor_s=per_processor_s,
            points_per_s=points_per_s,
            p50_ms=percentile(latencies, 50),
            p99_ms=percentile(latencies, 99),
            udf_busy=udf_busy,
            kapacitord_busy=kapacitord_busy,
            udf_mb=session.udf_bytes / 1e6,
            kapacitord_mb=session.kapacitord_bytes / 1e6,
            feature_kb=(session.udf_bytes - without_series) / features / 1e3,
            feature_kb_estimated=row.series * series_bytes(pipeline) / features / 1e3,
            state_bytes=session.metrics.get("state_bytes", 0.0),
            state_s=session.metrics.get("state_seconds", 0.0),
        )


def _at_full_speed(
    session: SeriesSession, pipeline: Pipeline, row: SeriesRow, begin_ns: int, windows: int
) -> tuple[float, float, float]:
    """Return windows a second, windows a processor second, and points a second."""
    window_ns, series = pipeline.window_ns, row.scored
    # The first windows make the series; a window ends when a later point of its series arrives.
    end_ns = begin_ns + (windows + _EDGES) * window_ns
    sent = list(bodies(row.series, begin_ns, end_ns, incomplete=row.incomplete))
    first = [body for body in sent if body.due_ns < begin_ns + 2 * window_ns]
    for body in first:
        session.write(body)
    session.wait_for_scores(series, _PATIENCE_S)
    worked, started = session.udf_seconds, time.monotonic()
    for body in sent[len(first) :]:
        session.write(body)
    session.wait_for_scores((windows + 1) * series, _PATIENCE_S)
    taken = time.monotonic() - started
    scored = windows * series
    worked = session.udf_seconds - worked
    # The last windows end because nothing comes any more, for a window and the lateness.
    session.wait_for_scores((windows + _EDGES) * series, _PATIENCE_S + window_ns / 1e9)
    session.sink.take()
    return scored / taken, scored / worked, sum(body.points for body in sent[len(first) :]) / taken


def _live(session: SeriesSession, pipeline: Pipeline, row: SeriesRow) -> tuple[list[float], float, float]:
    """Return milliseconds from the ends of windows to their scores, and the shares of a processor that were busy."""
    window_ns = pipeline.window_ns
    begin_ns = (time.time_ns() // window_ns + 1) * window_ns
    # Up to a window passes before the first point, which is not part of the shares.
    time.sleep(max(0, begin_ns - time.time_ns()) / 1e9)
    session.measured_from_ns = begin_ns + window_ns
    worked = session.udf_seconds, session.kapacitord_seconds
    started = time.monotonic()
    end_ns = begin_ns + (1 + _LIVE) * window_ns
    for body in bodies(row.series, begin_ns, end_ns, LIVE_NS, incomplete=row.incomplete):
        rest_ns = body.due_ns - time.time_ns()
        if rest_ns > 0:
            time.sleep(rest_ns / 1e9)
        session.write(body)
    session.wait_for_scores(_LIVE * row.scored, _PATIENCE_S)
    taken = time.monotonic() - started
    busy = session.udf_seconds - worked[0], session.kapacitord_seconds - worked[1]
    return [latency / 1e6 for latency in session.sink.take()], busy[0] / taken, busy[1] / taken
