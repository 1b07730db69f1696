"""Points ahead of the clock: one notice for each series, until it is over."""

import json

from anomaly.serving.clock_notices import ClockNotices
from tests.unit.anomaly.printers import PIPELINE

NOW = 1_700_000_000_000_000_000
SECOND = 1_000_000_000
KEY = ("printer-1",)
QUIET = max(10 * PIPELINE.window_ns, PIPELINE.future_ns)


def test_a_notice_says_how_far_ahead_the_point_is_and_what_became_of_it() -> None:
    notices = ClockNotices(PIPELINE)

    refused = notices.ahead(KEY, 1, NOW + 3_600 * SECOND, NOW)
    taken = notices.ahead(("printer-2",), 2, NOW + 60 * SECOND, NOW)

    assert refused is not None
    assert refused.text == "a point of 2023-11-14 23:13:20 UTC is 1h ahead of this host's clock: refused"
    assert taken is not None
    assert taken.text.endswith("is 1m ahead of this host's clock: taken, but its windows wait for the clock")
    assert (refused.kind, refused.state, refused.begin_ns, taken.count) == ("clock", "open", NOW, 2)


def test_a_notice_is_told_once_and_closes_when_no_point_is_ahead_for_a_while() -> None:
    notices = ClockNotices(PIPELINE)
    opened = notices.ahead(KEY, 1, NOW + 3_600 * SECOND, NOW)

    again = notices.ahead(KEY, 4, NOW + 3_600 * SECOND, NOW + SECOND)
    early = list(notices.look(NOW + SECOND + QUIET))
    ((key, closed),) = notices.look(NOW + 2 * SECOND + QUIET)

    assert (again, early) == (None, [])
    assert opened is not None
    assert (key, closed.state, closed.begin_ns, closed.text) == (KEY, "closed", NOW, opened.text)
    assert (closed.end_ns, closed.count) == (NOW + SECOND, 5)
    assert list(notices.look(NOW + 10 * QUIET)) == []


def test_a_time_that_no_calendar_has_is_told_in_nanoseconds() -> None:
    notice = ClockNotices(PIPELINE).ahead(KEY, 1, 2**63 - 1, -(2**62))
    assert notice is not None
    assert "2262" in notice.text


def test_a_state_goes_on_and_a_forgotten_series_is_gone() -> None:
    notices = ClockNotices(PIPELINE)
    notices.ahead(KEY, 1, NOW + 3_600 * SECOND, NOW)
    notices.ahead(("gone",), 1, NOW + 3_600 * SECOND, NOW)
    closed = notices.forget(("gone",))
    assert closed is not None
    assert (closed.state, closed.begin_ns) == ("closed", NOW)
    assert notices.forget(("gone",)) is None
    resumed = ClockNotices(PIPELINE)

    resumed.restore(json.loads(json.dumps(notices.state())))

    assert [key for key, _ in resumed.look(NOW + 2 * QUIET)] == [KEY]
