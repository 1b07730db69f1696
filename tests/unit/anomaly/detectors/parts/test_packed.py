"""Models that keep states as packed JSON stay valid.

models_before_arrays.npz holds models that were trained before models kept arrays, of two series and two features, and
what their followers then said of the next 80 windows, for an unseen series and for each of the two.
"""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from anomaly.detectors import registry
from anomaly.detectors.base import follow
from anomaly.detectors.gap import KIND as GAP
from anomaly.detectors.parts import surprise
from anomaly.detectors.parts.channel import Setting
from anomaly.detectors.parts.loops import Surprises
from anomaly.detectors.parts.memory import Memory
from anomaly.detectors.parts.packed import put_surprise

MADE = {
    "gap": "gap",
    "slow_gap": "slow_gap",
    "seasonal": "seasonal",
    "half_space_trees": "half_space_trees",
    "short": "isolation_forest",
    "context": "isolation_forest",
}


def stored() -> dict[str, NDArray[Any]]:
    with np.load(Path(__file__).with_name("models_before_arrays.npz")) as archive:
        return dict(archive)


@pytest.mark.parametrize("kind", MADE)
def test_an_older_model_scores_as_it_did(kind: str) -> None:
    made = stored()
    arrays = {name.removeprefix(f"{kind}/"): array for name, array in made.items() if name.startswith(f"{kind}/")}
    expected = arrays.pop("expected")
    older = registry.load(MADE[kind], arrays)
    again = registry.load(MADE[kind], older.arrays())
    for detector in (older, again):
        scores = [follow(detector, row).explain(made["begin_ns"], made["x"])[0] for row in (0, 1, 2)]
        np.testing.assert_allclose(np.stack(scores), expected, rtol=1e-4, atol=1e-5)
    assert not older.arrays().keys() & {"gap", "slow_gap", "seasonal", "hst_states", "running_tail", "context"}


def test_more_values_than_there_is_room_for_are_thinned() -> None:
    memory = GAP.memory([Setting(60_000_000_000)], 1)
    values = np.linspace(-3.0, 5.0, 1_000)
    GAP.put(memory, 0, Setting(60_000_000_000), [0.05, [values.tolist(), [10**18] * 1_000, 1_000]])
    kept = memory["values"][0, 0, : memory["kept"][0, 0]]
    assert len(kept) > 300
    assert (kept.min(), kept.max()) == pytest.approx((-3.0, 5.0), abs=0.002 * 8.0)
    assert np.diff(kept).max() < 0.006 * 8.0


def test_a_long_past_counts_half() -> None:
    memory = Memory("", surprise.FIELDS, 1, 1)
    before = [[100, 60_000], [200, 30_000], [300, 1_000]]
    put_surprise(memory, 0, [91_030, [*before[:2], [300, 1_030]], before])
    assert memory["counts"][0, 0, [100, 200, 300]].tolist() == [30_000, 15_000, 500]
    assert memory["fresh"][0, 0] == 0
    surprises = Surprises(memory.flat, np.inf)
    surprises.refit(np.array([0]))
    assert surprises.feed(0, 1e-6 * 1.02**199.5) == pytest.approx(-np.log(15_500 / 45_500))


@pytest.mark.parametrize("state", [[5, [[3, 4]], []], [200, [[3, 200]], [[3, 50]]], [0, []]])
def test_a_past_that_does_not_fit_is_refused(state: list[object]) -> None:
    with pytest.raises(ValueError, match=r"numbers|unpack"):
        put_surprise(Memory("", surprise.FIELDS, 1, 1), 0, state)
