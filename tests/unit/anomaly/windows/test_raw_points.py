"""Raw points: windows as long as the points' own interval, each with one."""

import numpy as np
import pytest

from anomaly.pipeline import Pipeline, normalize
from anomaly.refusal import Refused
from anomaly.scoring.events import EventCounter
from anomaly.scoring.scorer import Scorer
from anomaly.training.fit import train
from anomaly.windows.arrays import Floats
from anomaly.windows.windows import Windows
from tests.unit.anomaly import printers
from tests.unit.anomaly.printers import FIELDS
from tests.unit.anomaly.windows.reference import aggregated, collect

SECOND = 1_000_000_000


def pipeline(*aggregates: str) -> Pipeline:
    mapping = {**printers.PIPELINE.as_dict(), "window": "1s", "aggregate": list(aggregates)}
    return normalize([{key: value for key, value in mapping.items() if key not in ("periods", "drift")}])[0]


def points(samples: Floats, *, spreads: bool = False) -> Windows:
    """What the training query answers: the point itself, and no deviation of one."""
    values = (
        np.stack([samples, np.full_like(samples, np.nan)], axis=2).reshape(len(samples), -1) if spreads else samples
    )
    times = np.arange(len(samples), dtype=np.int64) * SECOND
    return Windows((("p",),), np.zeros(len(samples), dtype=np.intp), times, values, np.ones(samples.shape))


@pytest.mark.parametrize("aggregate", ["last", "mean"])
def test_each_point_is_scored_as_it_is(aggregate: str) -> None:
    wanted = pipeline(aggregate)
    model = train(wanted, points(printers.clean(1, 5_000)), "v1", seed=0).model
    samples = printers.clean(7, 60)
    samples[40, 1] += 12.0
    scorer = Scorer(wanted, EventCounter("", lambda message: None))
    verdicts = []
    for second, sample in enumerate(samples.tolist(), 5_000):
        # A point that came somewhere in its second.
        point = (second * SECOND + 123_456_789, {"printer": "p"}, dict(zip(FIELDS, sample, strict=True)))
        window = collect([point], wanted.fields, second * SECOND, (second + 1) * SECOND)
        (scored,) = scorer.feed(model, aggregated(wanted, ("p",), second * SECOND, window))
        verdicts.append(scored.verdict)
    np.testing.assert_array_equal([verdict.value for verdict in verdicts], samples)
    loud = [number for number, verdict in enumerate(verdicts) if verdict.severity >= 75]
    assert loud == [40]
    assert verdicts[40].contribution[1] > 0.5


def test_a_deviation_of_one_point_is_refused_with_the_way_out() -> None:
    with pytest.raises(Refused, match=r"it needs two points in a window: choose a longer one, or aggregate: \[mean\]"):
        train(pipeline("mean", "stddev"), points(printers.clean(1, 1_000), spreads=True), "v1", seed=0)
