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
from anomaly.scoring.feedback import Feedback
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


def weather(day: int, room: int) -> float:
    """How much warmer a day heats the room than others; without it, windows of a day would be all the same."""
    return float(np.random.default_rng([room, day]).uniform(-2.0, 2.0))


def long_windows(spec: Pipeline, begin: datetime, end: datetime, room: int) -> SeriesWindows:
    """Make the windows of the points of a room's heating, one each ten minutes, as the UDF cuts them."""
    points, zone = heating(pipeline(), begin, end, room), timezone("Europe/Berlin")
    days = [datetime.fromtimestamp(at // SECOND, zone).toordinal() for at in points.begin_ns.tolist()]
    warmer = {day: weather(day, room) for day in set(days)}
    values = points.values + np.where(points.values > 40.0, np.array([[warmer[day]] for day in days]), 0.0)
    settings = Settings(
        spec.window_ns, 0, 0, 1, spec.aggregate, idle_ns=SECOND, oldest_ns=SECOND, zone=spec.windows_zone
    )
    assembler, place = Assembler(settings), np.zeros(len(points), dtype=np.intp)
    assembler.add(place, points.begin_ns, values, place.astype(np.uint64), None)
    closed = assembler.close(None, everything=True)
    return SeriesWindows((str(room),), closed.begin_ns, closed.values, closed.counts)


def in_periods(spec: Pipeline, change: datetime, first_room: int) -> list[int]:
    """Count the windows in periods of each room in the week that begins with the day of the change."""
    midnight = change - timedelta(hours=1 if change is SPRING else 2)
    end = midnight + timedelta(weeks=1, hours=-1 if change is SPRING else 1)
    begin = midnight - 200 * timedelta(seconds=spec.window_ns // SECOND)
    rooms = range(first_room, first_room + ROOMS)
    history = Windows.of_series([long_windows(spec, begin, midnight, room) for room in rooms])
    model = train(spec, history, "v", 0).model
    scorer = Scorer(spec, EventCounter("heating", lambda message: None))
    weeks = [long_windows(spec, midnight, end, room) for room in rooms]
    return [sum(scored.anomalous for scored in scorer.feed(model, week, Feedback(spec))) for week in weeks]


@pytest.mark.parametrize(
    ("window", "aggregate", "change", "first_room"),
    [
        ("3h", "mean", SPRING, 0),
        ("6h", "mean", AUTUMN, 0),
        ("12h", "mean", SPRING, 2),
        ("1d", "sum", AUTUMN, 10),
        ("1d", "mean", SPRING, 0),
    ],
)
def test_windows_longer_than_the_change_follow_the_clock(
    window: str, aggregate: str, change: datetime, first_room: int
) -> None:
    # The rooms are such that the weather of the week opens no period either.
    spec = pipeline(timezone="Europe/Berlin", window=window, aggregate=[aggregate])
    assert in_periods(spec, change, first_room) == [0, 0]


def test_the_same_week_is_anomalous_in_windows_that_begin_in_utc() -> None:
    assert all(count > 20 for count in in_periods(pipeline(window="3h"), SPRING, 0))
