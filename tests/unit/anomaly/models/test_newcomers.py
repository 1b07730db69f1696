"""The rules for series that training has not seen are part of a model."""

from anomaly.models.model import Model
from anomaly.models.newcomers import NewcomerRules
from tests.unit.anomaly.scoring.test_newcomers import trained


def test_a_model_keeps_its_rules_and_an_older_one_has_none() -> None:
    model = trained()
    arrays = model.arrays()
    again = Model.from_arrays("v", model.pipeline, model.scaling.keys, arrays)
    rules = again.newcomers
    assert isinstance(rules, NewcomerRules)
    assert rules.length == "1d, and at least 50 windows"
    assert [again.is_newcomer((name,)) for name in ("known0", "hardly", "new")] == [False, True, True]
    older = {name: array for name, array in arrays.items() if not name.startswith("newcomers_")}
    assert not Model.from_arrays("v", model.pipeline, model.scaling.keys, older).is_newcomer(("new",))
