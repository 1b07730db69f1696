"""Which marks of feedback a model has learned."""

from anomaly.models.model import Model
from anomaly.scoring.feedback import FALSE_ALARM, Mark
from anomaly.training.feedback import learned_false_alarms
from tests.unit.anomaly import printers
from tests.unit.anomaly.printers import WINDOW_NS
from tests.unit.anomaly.scoring.marks import SAMPLES


def test_a_false_alarm_is_learned_when_the_model_finds_it_usual(model: Model) -> None:
    samples = SAMPLES.copy()
    samples[500:520] += 30
    windows = printers.windows(samples)
    calm, loud = (Mark(FALSE_ALARM, n * WINDOW_NS, (n + 2) * WINDOW_NS, {}) for n in (10, 50))
    elsewhere = Mark(FALSE_ALARM, 10**15, 10**15 + WINDOW_NS, {})
    assert learned_false_alarms(model, windows, [calm, loud, elsewhere]) == [calm.id]
