"""Figures that a checkout publishes are compared with ours."""

import json
from pathlib import Path

import numpy as np
import pytest

from bench.nab.corpus import Series, write_results
from bench.nab.published import figures
from bench.nab.scoring import PROFILES


@pytest.fixture
def series() -> Series:
    times = np.arange(1_000, dtype=np.int64) * 300
    return Series("made/up.csv", tuple(map(str, times)), times, np.zeros(1_000), ((300, 399),))


def publish(checkout: Path, detector: str, scores: dict[str, float]) -> None:
    (checkout / "config").mkdir()
    thresholds = {detector: {name: {"threshold": 0.5} for name in PROFILES}}
    (checkout / "config" / "thresholds.json").write_text(json.dumps(thresholds))
    (checkout / "results" / "final_results.json").write_text(json.dumps({detector: scores}))


def test_figures_agree_or_not(tmp_path: Path, series: Series) -> None:
    detected = np.zeros(1_000)
    detected[300] = 1.0  # the window's begin: a perfect detector's
    write_results(tmp_path / "results", "perfect", series, detected)
    publish(tmp_path, "perfect", {"standard": 100.0, "reward_low_FP_rate": 100.0, "reward_low_FN_rate": 99.9})
    found = list(figures(tmp_path, [series]))
    assert {figure.profile: figure.ours for figure in found} == pytest.approx(dict.fromkeys(PROFILES, 100.0))
    assert {figure.profile: figure.agrees for figure in found} == {
        "standard": True,
        "reward_low_FP_rate": True,
        "reward_low_FN_rate": False,
    }


def test_a_directory_without_results_publishes_nothing(tmp_path: Path, series: Series) -> None:
    assert list(figures(tmp_path, [series])) == []
