"""What a history is enough for, as training decides and says it."""

from anomaly.pipeline import normalize
from anomaly.training.plan import plan
from tests.unit.anomaly import printers

HISTORY = printers.windows(printers.clean(5, 4000), printers.clean(6, 4000))


def test_a_short_history_is_enough_for_no_context_and_no_model_of_a_series() -> None:
    parameters = {"context": ["lag"], "models": "own"}
    (pipeline,) = normalize([{**printers.PIPELINE.as_dict(), "parameters": parameters}])

    made = plan(pipeline, HISTORY)

    assert (made.long, made.columns, made.parameters["context"]) == (False, (), ())
    assert made.lines() == [
        "the forest does not look at lag: the history has less than 1,000 windows of each series",
        "0 of 2 series get a model of their own, the others the pooled one",
    ]
    assert made.context_record().to_json()["left_out"] == {
        "lag": "the history has less than 1,000 windows of each series"
    }
    assert made.series_models_record().to_json() == {"own": [], "pooled": [["printer-1"], ["printer-2"]]}


def test_where_nothing_was_asked_for_nothing_is_said() -> None:
    made = plan(printers.PIPELINE, HISTORY)

    assert (made.lines(), made.own, made.trends_record()) == ([], None, None)
