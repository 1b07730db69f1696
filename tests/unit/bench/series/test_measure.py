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

    def wait_for_scores(self, count: int, patience_s: float) -> None:
        self.waits.append((count, patience_s))

    def take(self) -> list[int]:
        return []


@pytest.fixture
def session(monkeypatch: pytest.MonkeyPatch) -> Session:
    session = Session()
    monkeypatch.setattr(measure, "Session", lambda *_: session)
    monkeypatch.setattr(measure, "store_model", lambda *_: None)
    monkeypatch.setattr(measure, "_live", lambda *_: ([1.0], 0.5, 0.5))
    return session


def test_the_stretch_at_full_speed_ended_a_day_ago_however_long_it_is(session: Session, tmp_path: Path) -> None:
    measure.measure(measure.Row(10, "1m"), "2GiB", tmp_path, tmp_path, lambda _: None)

    assert max(session.due_ns) < time.time_ns() - DAY_NS


def test_the_last_windows_may_wait_for_a_window_and_the_lateness(session: Session, tmp_path: Path) -> None:
    measure.measure(measure.Row(1_000, "1m"), "2GiB", tmp_path, tmp_path, lambda _: None)

    count, patience_s = session.waits[-1]
    assert count == 22 * 1_000
    assert patience_s > 61
