"""The charts of a backtest's page."""

import re
from itertools import pairwise

from anomaly.backtest import chart


def test_each_series_has_one_lane_however_a_label_names_it() -> None:
    key = {"printer": "a very long name of a printer", "hall": "h"}
    period = {"from": "2024-01-01T00:00:00Z", "to": "2024-01-01T00:01:00Z", "reason": "bed", "peak_severity": 90.0}
    label = {"from": "2024-01-01T00:00:00Z", "to": "2024-01-01T00:01:00Z", "kind": "", "found": True}
    content = {
        "pipeline": "printer",
        "from": "2024-01-01T00:00:00Z",
        "to": "2024-01-02T00:00:00Z",
        "labels": [label | {"tags": dict(reversed(key.items()))}, label | {"tags": {"hall": "h"}}],
        "periods": [period | {"tags": key, "verdict": "true"}],
    }
    drawn = chart.timeline(content)
    assert drawn.count('class="lane-fault"') == 2
    assert drawn.count('class="lane-found"') == 1
    assert drawn.count('class="label"') == 1
    assert "h, a very long name of a…" in drawn


def test_names_at_the_ends_of_lines_are_apart() -> None:
    row = dict.fromkeys(("recall", "precision", "f1", "coverage", "delay_windows", "false_per_day"), 1.0)
    content = {"open": 75.0, "judged": True, "complete": True, "sweep": [{"open": 75.0, **row}, {"open": 95.0, **row}]}
    places = re.findall(r'class="name \w+" x="[\d.]+" y="([\d.]+)"', chart.by_severity(content))[:4]
    ordered = sorted(map(float, places))
    assert all(high - low >= 14 for low, high in pairwise(ordered))
