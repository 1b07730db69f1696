"""The clock changes, and heating that follows it stays calm: the week after the change, with the real model.

Shorter windows than an hour divide the change of the clock; longer ones begin by the clock.
"""

from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pytest

from anomaly.models.model import Model
from anomaly.pipeline import Pipeline, normalize
from anomaly.pipeline.timezone import timezone
from anomaly.scoring.events import EventCounter
from anomaly.scoring.scorer import Scorer
from anomaly.training.fit import train
from anomaly.windows.assembler import Assembler, Settings
from anomaly.windows.series import SeriesWindows
from anomaly.windows.windows import Windows

SECOND = 1_000_000_000
# The clock in Berlin changes on 27 October 2024, and on 31 March.
AUTUMN = datetime(2024, 10, 27, tzinfo=UTC)
SPRING = datetime(2024, 3, 31, tzinfo=UTC)
HISTORY = timedelta(weeks=4)
ROOMS = 2


def pipeline(**more: Any) -> Pipeline:
    (made,) = normalize(
        [
            {
                "name": "heating",
                "database": "house",
                "measurement": "heating",
                "fields": ["supply"],
                "group_by": ["room"],
                "window": "10m",
                "aggregate": ["mean"],
                **more,
            }
        ]
    )
    return made


def heating(spec: Pipeline, begin: datetime, end: datetime, room: int, late_h: int = 0) -> SeriesWindows:
    """Make the supply temperature of a room that is heated from 6 to 22 h in Berlin, or some hours later."""
    begins_s = np.arange(int(begin.timestamp()), int(end.timestamp()), spec.window_ns // SECOND)
    zone = timezone("Europe/Berlin")
    hours = np.array([datetime.fromtimestamp(each, zone).hour for each in begins_s.tolist()])
    # Bounded noise has no rare value that would open a period by itself, so what opens one is the clock.
    noise = np.random.default_rng([room, int(begins_s[0])]).uniform(-0.7, 0.7, len(begins_s))
    values = np.where((hours >= 6 + late_h) & (hours < 22 + late_h), 55.0 + room, 30.0) + noise
    return SeriesWindows((str(room),), begins_s * SECOND, values[:, None], np.full((len(begins_s), 1), 60.0))


def trained(spec: Pipeline, change: datetime) -> Model:
    parts = [heating(spec, change - HISTORY, change, room) for room in range(ROOMS)]
    windows = Windows(
        tuple(part.key for part in parts),
        np.repeat(np.arange(ROOMS), [len(part) for part in parts]),
        np.concatenate([part.begin_ns for part in parts]),
        np.concatenate([part.values for part in parts]),
        np.concatenate([part.counts for part in parts]),
    )
    return train(spec, windows, "v", 0).model


def anomalous(spec: Pipeline, model: Model, change: datetime, late_h: int = 0) -> list[int]:
    """Count the windows in periods of each room in the week that begins with the change."""
    scorer = Scorer(spec, EventCounter("heating", lambda message: None))
    week = (change, change + timedelta(weeks=1))
    return [
        sum(scored.anomalous for scored in scorer.feed(model, heating(spec, *week, room, late_h)))
        for room in range(ROOMS)
    ]


def test_a_change_of_the_clock_opens_no_period_with_a_time_zone_and_does_without() -> None:
    local, plain = pipeline(timezone="Europe/Berlin"), pipeline()
    model = trained(local, AUTUMN)
    assert anomalous(local, model, AUTUMN) == [0, 0]
    assert all(count > 0 for count in anomalous(plain, trained(plain, AUTUMN), AUTUMN))
    # Heating that really is three hours late is still found.
    assert all(count > 0 for count in anomalous(local, model, AUTUMN, late_h=3))


@pytest.mark.parametrize(("window", "change"), [("30m", AUTUMN), ("1h", SPRING)])
def test_a_night_that_is_an_hour_longer_or_shorter_opens_no_period(window: str, change: datetime) -> None:
    """A whole day, or two, is a mean of the slow gap here, which no other day has had."""
    spec = pipeline(timezone="Europe/Berlin", window=window)
    model = trained(spec, change)
    assert anomalous(spec, model, change) == [0, 0]
    assert all(count > 0 for count in anomalous(spec, model, change, late_h=3))


def energy(spec: Pipeline, begin: datetime, end: datetime, room: int, late_h: int = 0) -> SeriesWindows:
    """Make the windows of the points of a room's heating, one each ten minutes, as the UDF cuts them."""
    points = heating(pipeline(), begin, end, room, late_h)
    settings = Settings(
        spec.window_ns, 0, 0, 1, spec.aggregate, idle_ns=SECOND, oldest_ns=SECOND, zone=spec.windows_zone
    )
    assembler, place = Assembler(settings), np.zeros(len(points), dtype=np.intp)
    assembler.add(place, points.begin_ns, points.values, place.astype(np.uint64), None)
    closed = assembler.close(None, everything=True)
    return SeriesWindows((str(room),), closed.begin_ns, closed.values, closed.counts)


@pytest.mark.parametrize("change", [AUTUMN, SPRING])
@pytest.mark.parametrize(
    ("window", "aggregate"), [("3h", "mean"), ("6h", "mean"), ("12h", "mean"), ("1d", "mean"), ("1d", "sum")]
)
def test_windows_longer_than_the_change_follow_the_clock(window: str, aggregate: str, change: datetime) -> None:
    spec = pipeline(timezone="Europe/Berlin", window=window, aggregate=[aggregate])
    midnight = change - timedelta(hours=1 if change is SPRING else 2)
    end = midnight + timedelta(weeks=1, hours=-1 if change is SPRING else 1)
    begin = midnight - 200 * timedelta(seconds=spec.window_ns // SECOND)
    history = Windows.of_series([energy(spec, begin, midnight, room) for room in range(ROOMS)])
    model = train(spec, history, "v", 0).model

    def in_periods(late_h: int) -> list[int]:
        scorer = Scorer(spec, EventCounter("heating", lambda message: None))
        return [
            sum(scored.anomalous for scored in scorer.feed(model, energy(spec, midnight, end, room, late_h)))
            for room in range(ROOMS)
        ]

    assert in_periods(0) == [0, 0]
    # Heating that really is three hours late is still found, where a window is shorter than its day.
    assert (in_periods(3) != [0, 0]) == (window != "1d")
