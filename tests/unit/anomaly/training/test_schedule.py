"""When the keeper trains a pipeline again."""

from typing import Any

import pytest

from anomaly.pipeline import Pipeline, normalize
from anomaly.training.schedule import TrainingState, due
from tests.unit.anomaly.printers import PIPELINE

HOUR = 3_600_000_000_000
NOW = 1_000_000 * HOUR


def pipeline(**training: Any) -> Pipeline:
    return normalize([{**PIPELINE.as_dict(), "training": training}])[0]


@pytest.mark.parametrize(
    ("training", "known", "why"),
    [
        ({}, TrainingState(None, drifted=True), None),
        ({"every": "1d"}, TrainingState(None), "it has no model"),
        ({"on_drift": True}, TrainingState(None), "it has no model"),
        ({"every": "1d"}, TrainingState(None, misfit="window: 10s"), "window: 10s"),
        ({"every": "1d"}, TrainingState(NOW - 23 * HOUR, drifted=True), None),
        ({"every": "1d"}, TrainingState(NOW - 25 * HOUR), "its newest model is 25h old"),
        ({"on_drift": True}, TrainingState(NOW - 100 * HOUR), None),
        ({"on_drift": True}, TrainingState(NOW - 100 * HOUR, drifted=True), "its data have drifted"),
        ({"every": "1d"}, TrainingState(NOW - HOUR, unheeded=2), "marks of feedback are newer than its model: 2"),
        # Whoever marks one period marks another.
        ({"every": "1d"}, TrainingState(NOW - HOUR // 2, unheeded=2), None),
        # A model from the middle of a change is judged by a day of its own.
        ({"on_drift": True}, TrainingState(NOW - 23 * HOUR, drifted=True), None),
        ({"every": "1d"}, TrainingState(None, failed_ns=NOW - HOUR // 2), None),
        ({"every": "1d"}, TrainingState(None, failed_ns=NOW - 2 * HOUR), "it has no model"),
    ],
)
def test_training_is_due_when_there_is_a_reason(
    training: dict[str, Any], known: TrainingState, why: str | None
) -> None:
    assert due(pipeline(**training), known, NOW) == why


def test_a_disabled_pipeline_is_left_alone() -> None:
    disabled = normalize([{**pipeline(every="1d").as_dict(), "enabled": False}])[0]
    assert due(disabled, TrainingState(None), NOW) is None
