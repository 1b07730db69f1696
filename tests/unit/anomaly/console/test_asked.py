"""What a request asks for: each value that does not fit is refused with its name."""

import pytest

from anomaly.console.asked import span_of
from anomaly.influxdb.times import TimeRange
from tests.unit.anomaly.clocks import autumn, daily
from tests.unit.anomaly.console.desk import Desk


@pytest.mark.parametrize(
    ("path", "parameters", "status", "message"),
    [
        ("/steps", {}, 400, "pipeline: is missing: name one (there is printer, other)."),
        ("/steps", {"pipeline": "nowhere"}, 404, "pipeline: there is no pipeline 'nowhere' (there is printer, other)."),
        (
            "/steps",
            {"pipeline": "printer", "series": "p1"},
            400,
            "series: 'p1' is not a tag of pipeline printer: write",
        ),
        ("/steps", {"pipeline": "printer", "from": "yesterday"}, 400, "from: 'yesterday' is not a time"),
        ("/steps", {"pipeline": "printer", "from": "1h", "to": "2h"}, 400, "from: '1h' is not before to."),
        ("/steps", {"pipeline": "printer", "from": "99999d"}, 400, "from: '99999d' is before 1970."),
        ("/steps", {"pipeline": "printer", "steps": "5"}, 400, "steps: '5' is not a whole number from 10 to 1200."),
        ("/now", {"state": "bad"}, 400, "state: 'bad' is not one of all, open, silent, notice."),
        ("/now", {"page": "-1"}, 400, "page: '-1' is not a whole number from 1"),
        ("/period", {"pipeline": "printer", "begin": "x"}, 400, "begin: 'x' is not the begin of a period"),
        ("/period", {"pipeline": "printer", "begin": "5"}, 404, "There is no period of this series that begins then."),
        ("/report", {"pipeline": "nowhere"}, 404, "there is no pipeline 'nowhere'"),
        ("/report", {"from": "x"}, 400, "'x' is not a time"),
        ("/models", {"pipeline": "nowhere"}, 404, "there is no pipeline 'nowhere'"),
    ],
)
def test_what_cannot_be_is_refused(
    desk: Desk, path: str, parameters: dict[str, str], status: int, message: str
) -> None:
    code, error = desk.refused(path, **parameters)

    assert code == status
    assert message in error


def test_a_range_begins_and_ends_with_windows_by_their_clock() -> None:
    span = span_of(daily(), {"from": "2024-10-25T12:00:00Z", "to": "2024-10-27T22:30:00Z"}, "1d")

    assert span == TimeRange(autumn(-1), autumn(1))
