"""A row of bench.series, with a stand-in for kapacitord and the UDF."""

import time
from pathlib import Path

import pytest

from bench.series import measure
from bench.series.load import Body

DAY_NS = 86_400_000_000_000


class Session:
    """Stands in for a session: takes all points, and has every score at once."""

    udf_seconds = kapacitord_seconds = 0.0
    udf_bytes = kapacitord_bytes = 0

    def __init__(self, *_: object) -> None:
        self.metrics: dict[str, float] = {}
        self.measured_from_ns = 0
        self.due_ns: list[int] = []
        self.waits: list[tuple[int, float]] = []
        self.sink = self

    def __enter__(self) -> "Session":
        return self

    def __exit__(self, *_: object) -> None:
        return

    def write(self, body: Body) -> None:
        self.due_ns.append(body.due_ns)
        self.udf_seconds += 0.001

    def wait_for_model(self, patience_s: float) -> None:
        assert patience_s > 0

    def wait_for_scores(self, count: int, patience_s: float) -> None:
        self.waits.append((count, patience_s))

    def take(self) -> list[int]:
        return []


@pytest.fixture
def session(monkeypatch: pytest.MonkeyPatch) -> Session:
    session = Session()
    monkeypatch.setattr(measure, "SeriesSession", lambda *_: session)
    monkeypatch.setattr(measure, "store_model", lambda *_: None)
    return session


@pytest.fixture
def _without_live_points(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(measure, "_live", lambda *_: ([1.0], 0.5, 0.5))


@pytest.mark.usefixtures("_without_live_points")
def test_the_stretch_at_full_speed_ended_a_day_ago_however_long_it_is(session: Session, tmp_path: Path) -> None:
    measure.measure(measure.SeriesRow(10, "1m"), "2GiB", tmp_path, tmp_path, lambda _: None)

    assert max(session.due_ns) < time.time_ns() - DAY_NS


@pytest.mark.usefixtures("_without_live_points")
def test_the_last_windows_may_wait_for_a_window_and_the_lateness(session: Session, tmp_path: Path) -> None:
    measure.measure(measure.SeriesRow(1_000, "1m"), "2GiB", tmp_path, tmp_path, lambda _: None)

    count, patience_s = session.waits[-1]
    assert count == 22 * 1_000
    assert patience_s > 61


@pytest.mark.usefixtures("_without_live_points")
def test_windows_of_incomplete_series_are_not_waited_for(session: Session, tmp_path: Path) -> None:
    measure.measure(measure.SeriesRow(1_000, "1m", incomplete=100), "2GiB", tmp_path, tmp_path, lambda _: None)

    assert session.waits[-1][0] == 22 * 900


@pytest.mark.usefixtures("_without_live_points")
def test_memory_is_what_the_series_added_for_each_of_their_features(
    session: Session, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    session.udf_bytes = 50_000_000

    def at_full_speed(*_: object) -> tuple[float, float, float]:
        session.udf_bytes = 110_000_000
        return 1.0, 1.0, 1.0

    monkeypatch.setattr(measure, "_at_full_speed", at_full_speed)

    found = measure.measure(measure.SeriesRow(1_000, "10s"), "2GiB", tmp_path, tmp_path, lambda _: None)

    assert found.feature_kb == 10.0
    assert 12.0 < found.feature_kb_estimated < 20.0


def test_the_live_window_after_the_gap_of_a_day_is_not_measured(
    session: Session, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(time, "sleep", lambda _: None)
    monkeypatch.setattr(session, "take", lambda: [1_000_000])

    measure.measure(measure.SeriesRow(10, "1m"), "2GiB", tmp_path, tmp_path, lambda _: None)

    window_ns = 60_000_000_000
    live = [due_ns for due_ns in session.due_ns if due_ns > time.time_ns() - DAY_NS]
    assert session.waits[-1][0] == 2 * 10
    assert session.measured_from_ns % window_ns == 0
    assert session.measured_from_ns - window_ns <= min(live) < session.measured_from_ns
    assert max(live) >= session.measured_from_ns + window_ns
