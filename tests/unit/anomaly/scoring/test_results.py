"""Results as columns are those of each window."""

from typing import Any

import numpy as np
import pytest

from anomaly.models.model import Model, Verdict, Verdicts
from anomaly.scoring.periods import Period
from anomaly.scoring.results import period_result, results, score_columns
from anomaly.scoring.scorer import ScoredWindow, ScoredWindows
from tests.unit.anomaly.printers import PIPELINE, WINDOW_NS

KEY = ("printer-1",)


def window(number: int, value: float, model: Model, **more: Any) -> ScoredWindow:
    low = more.pop("expected_low", (0.0, 0.5, 1.0))
    verdict = Verdict(2.5, 40.0, 1.0, (value, 1.0, 2.0), low, (3.0, 4.0, 5.0), (0.25, 0.25, 0.5))
    return ScoredWindow(number * WINDOW_NS, model, verdict, **{"anomalous": False, "periods": [], **more})


@pytest.mark.parametrize("suffix", ["", "_shadow"])
def test_scores_as_columns_are_those_of_each_window(model: Model, suffix: str) -> None:
    period = Period(2 * WINDOW_NS, 3 * WINDOW_NS, "open", 9.0, 80.0, 1, "bed")
    windows = [
        window(1, 220.0, model),
        window(2, 230.0, model, anomalous=True, periods=[period]),
        # A field that a window lacks has no value.
        window(3, np.nan, model, suppressed="0a1b2c3d"),
        # A new series has no range yet.
        window(4, 220.0, model, expected_low=(np.nan, 0.5, 1.0)),
    ]
    expected = [result for each in windows for result in results(PIPELINE, KEY, each, suffix)]

    scored = ScoredWindows(
        keys=(KEY,),
        series=np.zeros(len(windows), dtype=np.intp),
        begin_ns=np.array([each.begin_ns for each in windows]),
        model=model,
        verdicts=Verdicts.of([each.verdict for each in windows]),
        anomalous=np.array([each.anomalous for each in windows]),
        periods={1: [period]},
        suppressed={2: "0a1b2c3d"},
    )
    assert list(scored)[:2] == windows[:2]
    assert [each.suppressed for each in scored] == [each.suppressed for each in windows]
    found = list(score_columns(PIPELINE, scored, suffix))
    periods = [
        period_result(PIPELINE, scored.key(at), each, model, suffix, joint=None)
        for at, known in scored.periods.items()
        for each in known
    ]

    assert found == [result for result in expected if result.measurement.startswith("score")]
    assert periods == [result for result in expected if result.measurement.startswith("period")]
    assert found[0].fields == {
        "score": 2.5,
        "threshold": model.threshold(PIPELINE.periods.open),
        "severity": 40.0,
        "label": 0,
        "model": model.version,
        "value_hotend": 220.0,
        "value_bed": 1.0,
        "value_air": 2.0,
        "expected_low_hotend": 0.0,
        "expected_low_bed": 0.5,
        "expected_low_air": 1.0,
        "expected_high_hotend": 3.0,
        "expected_high_bed": 4.0,
        "expected_high_air": 5.0,
        "contribution_hotend": 0.25,
        "contribution_bed": 0.25,
        "contribution_air": 0.5,
        **({"shadow": True} if suffix else {}),
    }
    assert found[2].fields["feedback"] == "0a1b2c3d"
    assert "value_hotend" not in found[2].fields
    assert "expected_low_hotend" not in found[3].fields
    assert [type(result.fields["label"]) for result in found] == [int, int, int, int]
