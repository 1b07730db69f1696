"""What the controller knows of the detectors, from the schema alone."""

from anomaly.pipeline.detectors import Description, descriptions, seasonal_detectors


def test_a_detectors_defaults_are_those_of_its_parameters() -> None:
    assert descriptions()["knn"].defaults == {"neighbours": 5, "models": "pooled"}
    assert descriptions()["gap"].defaults == {}


def test_a_changed_default_changes_no_other_pipeline() -> None:
    descriptions()["isolation_forest"].defaults["context"].append("lag")

    assert descriptions()["isolation_forest"].defaults["context"] == []


def test_the_detectors_that_look_at_the_season_are_named() -> None:
    assert seasonal_detectors() == ("ensemble", "seasonal", "seasonal_gap")


def test_a_description_with_the_parameter_models_has_models_for_each_series() -> None:
    one = Description(name="one", summary="", sees="", misses="", parameters={"models": {"default": "pooled"}})
    other = Description(name="other", summary="", sees="", misses="")

    assert (one.per_series, other.per_series) == (True, False)
