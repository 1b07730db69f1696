"""From which surprise on a window is evidence, series by series."""

import numpy as np
import pytest

from anomaly.severity import evidence
from anomaly.severity.evidence import USUAL, Opening, excesses, opened


def test_a_series_whose_windows_are_rare_for_days_has_a_limit_of_its_own() -> None:
    rng = np.random.default_rng(0)
    calm = rng.exponential(1.0, 2_000)
    # A fifth of the series is such as one window in twenty of all series.
    moved = np.where(np.arange(2_000) < 1_600, calm, 3.0 + rng.exponential(1.0, 2_000))

    found = excesses(np.concatenate([calm, moved]), np.repeat([0, 1], 2_000), 2)

    assert found[0] == 0.0
    assert found[1] < 0.2
    assert found[2] == pytest.approx(np.log(4.8), abs=0.2)
    assert (moved > USUAL + found[2]).mean() == pytest.approx(0.05, abs=0.001)


def test_a_short_history_and_other_series_have_the_limit_of_all() -> None:
    surprises = np.full(400, 9.0)
    series = np.repeat([0, 1], [199, 201])

    assert excesses(surprises, series, 3).tolist() == [0.0, 0.0, 6.0, 0.0]


@pytest.mark.parametrize(
    ("surprises", "count"),
    [
        ([9.0, 9.0], 1),
        ([9.0, 8.0], 0),
        ([9.0] * 5, 1),
        ([9.0, 3.0, 9.0], 1),
        ([9.0, 0.0, 9.0], 0),
        # The evidence is capped at 12, so four usual windows end the run.
        ([9.0] * 5 + [0.0] * 4 + [9.0, 9.0], 2),
        ([9.0] * 5 + [0.0] * 3 + [9.0, 9.0], 1),
        ([], 0),
    ],
)
def test_runs_that_open_a_period_are_counted_once(surprises: list[float], count: int) -> None:
    begin_ns = np.arange(len(surprises), dtype=np.int64)
    assert len(opened(np.array(surprises), begin_ns, Opening(evidence=12.0, longest_ns=1))) == count


def test_a_run_goes_from_its_first_evidence_to_the_last_window_that_makes_it_enough() -> None:
    surprises = np.array([0.0, 9.0, 9.0, 9.0, 0.0, 0.0, 0.0, 0.0, 0.0, 9.0, 2.0, 9.0, 0.0])

    runs = opened(surprises, np.arange(13), Opening(evidence=11.0, longest_ns=1))

    assert runs == [(1, 3), (9, 11)]


def test_windows_after_a_pause_begin_a_run_of_their_own() -> None:
    begin_ns = np.array([0, 3])
    assert opened(np.array([9.0, 9.0]), begin_ns, Opening(12.0, longest_ns=3)) == [(0, 1)]
    assert opened(np.array([9.0, 9.0]), begin_ns, Opening(12.0, longest_ns=2)) == []


def test_runs_before_and_after_a_pause_are_two() -> None:
    surprises, begin_ns = np.full(4, 9.0), np.array([0, 1, 9, 10])
    assert opened(surprises, begin_ns, Opening(12.0, longest_ns=8)) == [(0, 3)]
    assert opened(surprises, begin_ns, Opening(12.0, longest_ns=2)) == [(0, 1), (2, 3)]


def test_a_models_arrays_keep_them_and_those_of_before_have_none() -> None:
    excess = np.array([0.0, 0.7])
    np.testing.assert_array_equal(evidence.from_arrays(evidence.to_arrays(excess)), excess)
    assert evidence.from_arrays({}) is None
    assert evidence.to_arrays(None) == {}
