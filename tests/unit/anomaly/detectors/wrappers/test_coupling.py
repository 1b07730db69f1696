"""Couplings: what the forest finds by them that it does not find by single features, and which features take part."""

from dataclasses import replace

import numpy as np
import pytest

from anomaly.detectors import registry
from anomaly.detectors.base import Detector, FeatureHistory, follow
from anomaly.detectors.declaration import FitRequest
from anomaly.detectors.robust_z import RobustZ
from anomaly.detectors.wrappers.coupling import Coupled, Coupling, coupling_from_arrays, fit_coupling
from anomaly.models.relevance import relevance
from anomaly.pipeline.specification import Field
from anomaly.windows.arrays import AnyArray, Floats

MINUTE = 60_000_000_000
ROWS = 1_500
PARAMETERS = registry.declaration("isolation_forest").description.defaults


def coupled(rows: int, seed: int, break_at: float = 0.0) -> Floats:
    """Make two features that differ by noise, and one of its own; the second is off by `break_at`."""
    rng = np.random.default_rng(seed)
    load = rng.uniform(-1.5, 1.5, rows)
    return np.stack([load, load + rng.normal(0, 0.1, rows) + break_at, rng.normal(0, 1, rows)], axis=1)


def history(x: Floats, *, is_long: bool = True) -> FeatureHistory:
    begin_ns = np.arange(len(x), dtype=np.int64) * MINUTE
    return FeatureHistory(x, np.zeros(len(x), dtype=np.intp), 1, begin_ns, MINUTE, is_long)


def forest(of: FeatureHistory) -> Detector:
    return registry.fit("isolation_forest", FitRequest(of, PARAMETERS)).detector


def explained(detector: Detector, x: Floats) -> tuple[Floats, Floats]:
    return follow(detector, 1).explain(np.arange(len(x), dtype=np.int64) * MINUTE, x)


def without_coupling(of: FeatureHistory) -> FeatureHistory:
    return replace(of, counted_whole=np.zeros(of.x.shape[1], dtype=np.bool_))


@pytest.mark.parametrize("is_long", [True, False])
def test_a_coupling_that_breaks_while_each_feature_is_in_its_range_is_found(is_long: bool) -> None:
    known = history(coupled(ROWS if is_long else 400, 1), is_long=is_long)
    usual, broken = coupled(500, 2), coupled(500, 3, break_at=0.8)
    # What goes on for longer becomes usual to a forest with a short history, where no period keeps it unlearnt.
    broken = broken[np.abs(broken).max(axis=1) < 1.4][:20]

    def share_found(detector: Detector) -> float:
        limit = np.quantile(explained(detector, usual)[0], 0.99)
        return float((explained(detector, broken)[0] > limit).mean())

    assert share_found(forest(known)) > 0.95
    assert share_found(forest(without_coupling(known))) < 0.5


def test_a_feature_is_blamed_for_its_residual() -> None:
    _, shares = explained(forest(history(coupled(ROWS, 1))), np.array([[0.5, 1.5, 0.0]]))
    assert shares.shape == (1, 3)
    assert shares[0].sum() == pytest.approx(1.0)
    assert shares[0, 2] < 0.1


def test_only_features_that_others_tell_have_a_residual() -> None:
    coupling = fit_coupling(history(coupled(ROWS, 1)), 3)
    assert coupling.targets.tolist() == [0, 1]
    residuals = coupling.apply(coupled(ROWS, 2))[:, 3:]
    np.testing.assert_allclose(residuals.std(axis=0), 1.0, atol=0.2)


def test_features_of_one_field_are_not_compared() -> None:
    known = history(coupled(ROWS, 1))
    same_field = replace(known, field=np.array([0, 0, 1]))
    single_field = replace(known, field=np.zeros(3, dtype=np.intp))
    assert fit_coupling(same_field, 3).targets.tolist() == []
    assert not any("coupling" in name for name in forest(single_field).arrays())


@pytest.mark.parametrize("other", [Field("b", direction="high"), Field("b", min_deviation=1.0)])
def test_features_of_which_not_all_deviations_count_take_no_part(other: Field) -> None:
    relevant = relevance([Field("a"), other, Field("c")], ["mean"])
    assert relevant is not None
    assert relevant.counted_whole.tolist() == [True, False, True]
    assert fit_coupling(replace(history(coupled(ROWS, 1)), counted_whole=relevant.counted_whole), 3).targets.size == 0


def test_overrides_of_one_series_keep_a_feature_out_for_all() -> None:
    both = [Field("a"), Field("b")]
    relevant = relevance(both, ["mean", "stddev"], [both, [Field("a", min_deviation=1.0), Field("b")]])
    assert relevant is not None
    assert relevant.counted_whole.tolist() == [False, False, True, True]


def test_a_window_that_lacks_a_feature_has_no_residual() -> None:
    coupling = fit_coupling(history(coupled(ROWS, 1)), 3)
    lacking = np.array([[1.4, np.nan, 0.5], [1.4, 1.4, np.nan]])
    np.testing.assert_array_equal(coupling.apply(lacking), [[1.4, 0, 0.5, 0, 0], [1.4, 1.4, 0, 0, 0]])
    detector = forest(history(coupled(ROWS, 1)))
    usual = explained(detector, coupled(500, 2))[0]
    assert explained(detector, lacking)[0].max() < np.quantile(usual, 0.99)


def test_windows_that_lack_a_feature_do_not_hide_a_coupling() -> None:
    x = coupled(ROWS, 1)
    x[::3, 1] = np.nan
    assert fit_coupling(history(x), 3).targets.tolist() == [0, 1]


def test_too_few_windows_tell_of_no_coupling() -> None:
    assert fit_coupling(history(coupled(8, 1)), 3).targets.size == 0


def test_a_few_odd_windows_do_not_turn_the_regression() -> None:
    x, odd = coupled(ROWS, 1), coupled(ROWS, 1)
    odd[:5, 1] += 1e4
    weights, other = (fit_coupling(history(each), 3).weights for each in (x, odd))
    np.testing.assert_allclose(other, weights, rtol=0.1, atol=0.3)


def test_features_that_follow_exactly_leave_finite_residuals() -> None:
    x = coupled(ROWS, 1)
    exact = np.concatenate([x, x[:, :1], x[:, [2]] * -2.0], axis=1)
    residuals = fit_coupling(history(exact), 5).apply(exact)[:, 5:]
    assert residuals.shape[1] == 5
    assert np.isfinite(residuals).all()


@pytest.mark.parametrize("share", [0.2, 0.03])
def test_a_field_that_rarely_moves_has_a_residual_in_units_of_what_it_is_when_it_moves(share: float) -> None:
    rng = np.random.default_rng(1)
    is_open = rng.random(5 * ROWS) < share
    valve = np.where(is_open, rng.uniform(3.0, 5.0, len(is_open)), 0.0)
    x = np.stack([valve, valve * np.exp(rng.normal(0, 0.1, len(is_open)))], axis=1)

    residuals = np.abs(fit_coupling(history(x), 2).apply(x)[:, 2:])

    assert residuals.shape[1] == 2
    assert np.quantile(residuals[is_open], 0.9) < 20
    assert np.quantile(residuals[~is_open], 0.9) < 1


def test_a_constant_feature_has_no_residual() -> None:
    x = coupled(ROWS, 1)
    x[:, 2] = 7.0
    assert fit_coupling(history(x), 3).targets.tolist() == [0, 1]


def test_scores_do_not_depend_on_the_windows_beside() -> None:
    detector = forest(history(coupled(ROWS, 1)))
    x = coupled(64, 4, break_at=0.5)
    together = explained(detector, x)[0]
    alone = np.concatenate([explained(detector, x[at : at + 1])[0] for at in range(len(x))])
    np.testing.assert_array_equal(together, alone)


@pytest.mark.parametrize("is_long", [True, False])
def test_a_stored_coupling_scores_as_before(is_long: bool) -> None:
    fitted = forest(history(coupled(ROWS, 1), is_long=is_long))
    loaded = registry.declaration("isolation_forest").load(fitted.arrays())
    x = coupled(50, 4, break_at=0.5)
    np.testing.assert_array_equal(explained(loaded, x)[0], explained(fitted, x)[0])


def test_arrays_without_a_coupling_have_none() -> None:
    known = Coupling(np.ones((1, 2)), np.zeros(1), np.zeros(1, dtype=np.intp))
    assert coupling_from_arrays({}) is None
    assert coupling_from_arrays(Coupled(known, RobustZ()).arrays()) is not None


def test_models_of_single_series_keep_their_own_couplings() -> None:
    x = np.concatenate([coupled(ROWS, 1), coupled(ROWS, 2) * [1.0, -1.0, 1.0]])
    both = FeatureHistory(
        x,
        np.repeat([0, 1], ROWS),
        2,
        np.tile(np.arange(ROWS, dtype=np.int64) * MINUTE, 2),
        MINUTE,
        is_long=True,
        per_series=np.array([True, True]),
    )
    detector = registry.fit("isolation_forest", FitRequest(both, {**PARAMETERS, "models": "own"})).detector
    usual, swapped = coupled(300, 5), coupled(300, 5) * [1.0, -1.0, 1.0]
    times = np.arange(300, dtype=np.int64) * MINUTE
    for row, fits, differs in ((1, usual, swapped), (2, swapped, usual)):
        limit = np.quantile(follow(detector, row).explain(times, fits)[0], 0.99)
        assert (follow(detector, row).explain(times, differs)[0] > limit).mean() > 0.7


@pytest.mark.parametrize("huge", [1e300, -1e300])
def test_residuals_are_numbers_whatever_values_are(huge: float) -> None:
    x = coupled(ROWS, 1)
    x[::7] = huge
    coupling = fit_coupling(history(x), 3)
    assert np.isfinite(coupling.weights).all()
    known = fit_coupling(history(coupled(ROWS, 1)), 3)
    assert np.isfinite(known.apply(np.array([[huge, huge, huge], [huge, -huge, 0.0]]))).all()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"coupling_targets": np.array([0, 99])}, "coupling_targets names features beyond the 3"),
        ({"coupling_targets": np.array([0])}, "do not fit each other"),
        ({"coupling_offsets": np.zeros(5)}, "do not fit each other"),
        ({"coupling_weights": np.zeros(6)}, "do not fit each other"),
    ],
)
def test_damaged_arrays_of_a_coupling_are_refused(change: dict[str, AnyArray], message: str) -> None:
    arrays = Coupled(fit_coupling(history(coupled(ROWS, 1)), 3), RobustZ()).arrays()
    with pytest.raises(ValueError, match=message):
        coupling_from_arrays({**arrays, **change})
