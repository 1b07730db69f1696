"""Times and ranges, as people ask for them."""

import pytest

from anomaly.influxdb.times import resolve_range
from anomaly.pipeline import SpecError
from tests.unit.anomaly.printers import PIPELINE

NOW = 1_704_067_205_000_000_000  # 2024-01-01T00:00:05Z


def test_a_range_is_cut_to_whole_windows() -> None:
    asked = resolve_range(PIPELINE, "1h", None, NOW)
    assert (asked.begin_ns, asked.end_ns) == (NOW + 5_000_000_000 - 3_600_000_000_000, NOW - 5_000_000_000)
    assert asked.asked == ("1h", "0s")
    asked = resolve_range(PIPELINE, "2024-01-01T00:00:00.5+01:00", "2024-01-01T00:00:09Z", NOW)
    assert (asked.begin_ns, asked.end_ns) == (1_704_063_610_000_000_000, 1_704_067_200_000_000_000)


@pytest.mark.parametrize(
    ("start", "stop", "message"),
    [
        ("1s", None, "no whole 10s window lies from 1s to 0s .*choose an earlier --from"),
        ("1h", "2h", "no whole 10s window"),
        ("soon", None, "--from: 'soon' is not a time"),
        ("2024-01-01", None, "--from: '2024-01-01' is not a time"),
        (None, "2024-01-01T00:00:00", "--to: '2024-01-01T00:00:00' is not a time"),
    ],
)
def test_a_range_without_a_window_is_refused(start: str | None, stop: str | None, message: str) -> None:
    with pytest.raises(SpecError, match=message):
        resolve_range(PIPELINE, start, stop, NOW)
