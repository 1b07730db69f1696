"""The compiled loops say what the same lines say uncompiled, with Cython installed and without."""

import importlib.util
import math
import sys
from collections.abc import Mapping
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from anomaly.detectors import gap, seasonal, seasonal_gap, slow_gap
from anomaly.detectors.parts import loops, surprise
from anomaly.detectors.parts.channel import Setting
from anomaly.detectors.parts.featurewise import ChannelKind
from anomaly.detectors.parts.memory import Memory, MemoryField

MINUTE = 60_000_000_000
SERIES, WINDOWS = 2, 700
LOOPS = {gap: "Gaps", slow_gap: "SlowGaps", seasonal: "Seasonals", seasonal_gap: "SeasonalGaps"}


@pytest.fixture(params=["with Cython", "without Cython"])
def uncompiled(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """Load the loops from their source."""
    if request.param == "without Cython":
        monkeypatch.setitem(sys.modules, "cython", None)
    path = importlib.util.find_spec("anomaly.detectors.parts.memory")
    assert path is not None
    assert path.origin is not None
    spec = importlib.util.spec_from_file_location("uncompiled_loops", path.origin.replace("memory.py", "loops.py"))
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    with pytest.warns(UserWarning, match="compiled loops of detectors are missing"):
        spec.loader.exec_module(module)
    assert not module.COMPILED
    return module


def windows() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Make windows of two series by turns, with a hole, a step back, unknown features and far outliers."""
    rng = np.random.default_rng(5)
    begin_ns = np.arange(WINDOWS, dtype=np.int64) * MINUTE * 30 + 1_700_000_000_000_000_000
    begin_ns[400:] += 90 * MINUTE * 30
    begin_ns[600:] -= 500 * MINUTE * 30
    x = rng.normal(0, 1, (WINDOWS, SERIES, 2)).cumsum(axis=0) / 10
    x[:, :, 1] = rng.choice([0.0, 1.0, 5.0], (WINDOWS, SERIES))
    x[100:110, 0, 0] = np.nan
    x[300, 1, 0] = 1e30
    return np.tile(np.arange(SERIES), WINDOWS), np.repeat(begin_ns, SERIES), x.reshape(-1, 2)


def run(kind: ChannelKind) -> tuple[np.ndarray, Mapping[str, NDArray[Any]]]:
    settings = [Setting(30 * MINUTE), Setting(30 * MINUTE, side=1)]
    followers = kind.followers(settings, SERIES)
    place, begin_ns, x = windows()
    half = len(x) // 2
    unlearnt = np.isin(np.arange(len(x)) // 60, (3, 11, 17))
    first, _ = followers.explain(place[:half], begin_ns[:half], x[:half], unlearnt[:half])
    # The fit of a tail that was restored is computed anew.
    followers.restore(np.arange(SERIES), followers.arrays(np.arange(SERIES)))
    second, _ = followers.explain(place[half:], begin_ns[half:], x[half:], unlearnt[half:])
    arrays: dict[str, Any] = {**followers.arrays(np.arange(SERIES))}
    return np.concatenate([first, second]), arrays


def test_the_loops_are_compiled() -> None:
    assert loops.COMPILED


@pytest.mark.parametrize("module", LOOPS, ids=list(LOOPS.values()))
def test_channels_remember_and_say_the_same_uncompiled(
    module: Any, uncompiled: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    scores, arrays = run(module.KIND)
    monkeypatch.setattr(module, LOOPS[module], getattr(uncompiled, LOOPS[module]))
    uncompiled_scores, uncompiled_arrays = run(module.KIND)
    assert np.isfinite(scores).all()
    assert (scores > 0).mean() > 0.2
    np.testing.assert_allclose(uncompiled_scores, scores, rtol=1e-12, atol=1e-12)
    assert arrays.keys() == uncompiled_arrays.keys()
    for name, array in arrays.items():
        np.testing.assert_allclose(uncompiled_arrays[name], array, rtol=1e-12, atol=1e-12, err_msg=name)


def test_outliers_are_the_same_uncompiled(uncompiled: ModuleType) -> None:
    """The first two columns are features, and the third is a residual, which is left as it is."""
    place, _, x = windows()
    x = np.ascontiguousarray(np.nan_to_num(x)[:, [0, 1, 0]])
    box = np.array([[0.0, 0.0, 0.0], [0.5, 0.5, 0.5]])
    unlearnt = np.isin(np.arange(len(x)) // 60, (3, 11, 17)).astype(np.uint8)
    fields = (
        MemoryField("last", np.float64, 2),
        MemoryField("outside", np.float64),
        MemoryField("used", np.uint32),
        MemoryField("values", np.float32, 2 * 5, length="used"),
    )
    both = []
    for module in (loops, uncompiled):
        memory, gaps = Memory("", fields, SERIES, 1), np.abs(x)
        distances, relative = gaps.sum(axis=1), np.empty(len(x))
        module.Outliers(memory.flat).explain(place, x, distances, gaps, relative, box, unlearnt, 0.3, 0.1)
        both.append((distances, gaps, relative, memory.kept(np.arange(SERIES))))
    (distances, gaps, relative, arrays), (other, other_gaps, other_relative, other_arrays) = both
    assert arrays["used"].tolist() == [[10], [10]]
    assert (distances < np.abs(x).sum(axis=1)).mean() > 0.3
    # A tenth is left of each feature's distance, and of their sum.
    assert (distances <= gaps.sum(axis=1) + 1e-9).all()
    assert (distances >= 0.1 * np.abs(x).sum(axis=1) - 1e-9).all()
    np.testing.assert_array_equal(gaps[:, 2], np.abs(x[:, 2]))
    assert 0.0 <= relative.min() < relative.max() <= 1.0
    np.testing.assert_array_equal(other, distances)
    np.testing.assert_array_equal(other_gaps, gaps)
    np.testing.assert_array_equal(other_relative, relative)
    for name, array in arrays.items():
        np.testing.assert_array_equal(other_arrays[name], array, err_msg=name)


def test_ranks_are_the_same_uncompiled(uncompiled: ModuleType) -> None:
    numbers = np.random.default_rng(1).exponential(2.0, 2_100)
    # Counts beyond a byte, the later ones before the earlier.
    numbers[1_200:1_500], numbers[1_500:] = 3.0, np.tile([1.0, 5.0], 300)
    numbers[:1_200:100] = [0.0, 1e-9, 1e9, math.inf, *np.linspace(1, 40, 8)]
    both = []
    for module in (loops, uncompiled):
        memory, surprises = Memory("", surprise.FIELDS, 1, 1), np.zeros(len(numbers))
        ranks = module.Surprises(memory.flat, 32.0)
        unlearnt = np.zeros(len(numbers), dtype=np.uint8)
        unlearnt[700:720] = 1
        ranks.explain(np.zeros(len(numbers), dtype=np.intp), numbers, surprises, np.zeros(1), unlearnt)
        both.append((surprises, memory.kept(np.array([0]))))
    (compiled, arrays), (other, other_arrays) = both
    assert np.greater(arrays["counts"], 255).sum() == 3
    np.testing.assert_allclose(other, compiled, rtol=1e-12)
    for name, array in arrays.items():
        np.testing.assert_array_equal(other_arrays[name], array)
