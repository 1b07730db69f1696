"""Two models' results of the same windows are compared."""

import pytest

from anomaly.backtest.comparison import ComparedPeriod, ModelResults, compare

KEY: tuple[str, ...] = ("a",)


def side(severities: list[float], anomalous: set[int], periods: list[tuple[int, int]]) -> ModelResults:
    scores = {(KEY, number): (severity, number in anomalous) for number, severity in enumerate(severities)}
    return ModelResults(scores, [ComparedPeriod(KEY, begin, end, 80.0, "bed") for begin, end in periods])


def test_two_sides_are_compared() -> None:
    current = side([10.0, 20.0, 80.0, 90.0], {2, 3}, [(2, 4), (9, 12)])
    shadow = side([20.0, 40.0, 100.0], {1, 2}, [(1, 3), (20, 22)])
    found = compare(current, shadow)
    assert (found.windows, found.only_current, found.only_shadow) == (3, 1, 0)
    assert found.anomalous == (1, 0, 1)
    assert found.agreement == pytest.approx(2 / 3)
    assert found.quantiles[0.5] == (20.0, 40.0)
    assert found.quantiles[1.0] == (80.0, 100.0)
    assert found.periods == 1
    assert [span.begin_ms for span in found.current_periods] == [9]
    assert [span.begin_ms for span in found.shadow_periods] == [20]
    with pytest.raises(ValueError, match="no window was scored by both"):
        compare(current, ModelResults())
