"""Values that are invalid: one notice for each series when they last, until they are over."""

import json

import numpy as np
import pytest

from anomaly.pipeline import normalize
from anomaly.scoring.notices import Notice
from anomaly.serving.invalid_notices import InvalidNotices
from anomaly.windows.validity import Validity
from tests.unit.anomaly import printers
from tests.unit.anomaly.clocks import autumn, daily

FIELDS = ["hotend", {"name": "bed", "valid": [0, 120]}, {"name": "air", "valid": [-40, None]}]
(PIPELINE,) = normalize([{**printers.PIPELINE.as_dict(), "fields": FIELDS}])
WINDOW = PIPELINE.window_ns
BEGIN = 1_700_000_000_000_000_000 // WINDOW * WINDOW
KEY = ("printer-1",)


@pytest.fixture
def notices() -> InvalidNotices:
    return InvalidNotices(PIPELINE, Validity(PIPELINE))


def take(notices: InvalidNotices, *windows: float, place: int = 1, value: float = 850.0) -> Notice | None:
    return notices.take(KEY, BEGIN + (np.array(windows) * WINDOW).astype(np.int64), {place: value})


def test_a_notice_opens_when_values_last_and_says_what_they_are(notices: InvalidNotices) -> None:
    early = [take(notices, 0.1, 0.2), take(notices, 1.5)]
    opened = take(notices, 2.9)
    again = take(notices, 3.0)

    assert early == [None, None]
    assert opened == Notice(
        "invalid", BEGIN, BEGIN + 3 * WINDOW, "open", "bed is 850, which is not a measurement (valid is 0 to 120)", 4
    )
    assert again is None


def test_single_values_are_told_to_nobody(notices: InvalidNotices) -> None:
    assert [take(notices, window) for window in (0, 2, 4, 6, 8)] == [None] * 5


def test_values_of_one_batch_of_points_are_as_those_that_come_alone(notices: InvalidNotices) -> None:
    opened = take(notices, 4, 5, 5.5, 6)
    assert opened is not None
    assert (opened.begin_ns, opened.count) == (BEGIN + 4 * WINDOW, 4)


def test_all_fields_of_a_series_are_one_notice(notices: InvalidNotices) -> None:
    take(notices, 0)
    take(notices, 1, place=2, value=-127.0)
    opened = take(notices, 2)
    assert opened is not None
    assert opened.text == (
        "bed is 850, which is not a measurement (valid is 0 to 120); air is -127, which is not a "
        "measurement (valid is at least -40)"
    )


def test_a_notice_closes_after_as_many_windows_without_such_a_value(notices: InvalidNotices) -> None:
    opened = take(notices, 0, 1, 2)

    early = notices.pass_by(KEY, BEGIN + 6 * WINDOW - 1)
    closed = notices.pass_by(KEY, BEGIN + 6 * WINDOW)

    assert opened is not None
    assert early is None
    assert closed is not None
    assert (closed.begin_ns, closed.end_ns, closed.state) == (opened.begin_ns, BEGIN + 3 * WINDOW, "closed")
    assert len(notices) == 0


def test_what_was_never_told_is_forgotten_without_a_word(notices: InvalidNotices) -> None:
    take(notices, 0)
    assert notices.pass_by(KEY, BEGIN + 9 * WINDOW) is None
    assert len(notices) == 0


def test_late_points_change_only_the_count(notices: InvalidNotices) -> None:
    take(notices, 5, 6)
    assert take(notices, 1, 2, 3) is None
    opened = take(notices, 7)
    assert opened is not None
    assert (opened.begin_ns, opened.count) == (BEGIN + 5 * WINDOW, 6)


def test_a_state_goes_on(notices: InvalidNotices) -> None:
    take(notices, 0, 1)
    again = InvalidNotices(PIPELINE, Validity(PIPELINE))
    again.restore(json.loads(json.dumps(notices.state())))
    assert take(again, 2) == take(notices, 2)
    closed = notices.forget(KEY)
    assert closed is not None
    assert (closed.state, closed.begin_ns) == ("closed", BEGIN)
    assert len(notices) == 0
    assert notices.forget(KEY) is None


def test_a_day_of_25_hours_interrupts_no_notice_and_is_a_whole_part_of_it() -> None:
    pipeline = daily(fields=FIELDS, group_by=["printer"])
    notices, others = (InvalidNotices(pipeline, Validity(pipeline)) for _ in range(2))

    early = [notices.take(KEY, np.array([autumn(day)]), {1: 850.0}) for day in (-1, 0)]
    opened = notices.take(KEY, np.array([autumn(1)]), {1: 850.0})
    in_the_night = [others.take(KEY, np.array([autumn(day)]), {1: 850.0}) for day in (-2, -1, 0)]

    assert early == [None, None]
    assert opened is not None
    assert (opened.begin_ns, opened.end_ns) == (autumn(-1), autumn(2))
    assert in_the_night[-1] is not None
    assert in_the_night[-1].end_ns == autumn(1)
