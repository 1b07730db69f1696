"""The names by which results carry the tags of a series."""

import math

import pytest

from anomaly.catchup.queries import PERIOD_FIELDS
from anomaly.pipeline import normalize
from anomaly.pipeline.result_tags import result_tag
from anomaly.scoring.notices import Notice
from anomaly.scoring.results import notice_result, series_tags

PLAIN = {"name": "p", "database": "d", "measurement": "m", "fields": ["value"], "window": "10s"}


@pytest.mark.parametrize("tag", ["printer", "room", "tag_state", "values", "State"])
def test_a_tag_keeps_its_name(tag: str) -> None:
    assert result_tag(tag) == tag


@pytest.mark.parametrize(
    "tag", ["pipeline", "notice", "label", "value_x", "kind", "note", "seen_ms", "psi_value", *PERIOD_FIELDS]
)
def test_a_tag_that_is_named_like_one_of_the_results_is_renamed(tag: str) -> None:
    assert result_tag(tag) == f"tag_{tag}"


def test_a_series_is_told_apart_from_the_pipeline_by_other_names() -> None:
    (pipeline,) = normalize([PLAIN | {"group_by": ["pipeline", "room", "state"]}])
    assert pipeline.result_tags == ("tag_pipeline", "room", "tag_state")
    tags = series_tags(pipeline, ("line-1", "hall", "on"))
    assert tags == {"pipeline": "p", "tag_pipeline": "line-1", "room": "hall", "tag_state": "on"}


def test_no_field_of_a_notice_is_named_like_a_tag() -> None:
    (pipeline,) = normalize([PLAIN | {"group_by": ["text", "count", "notice"]}])
    notice = Notice("rate", 0, 10, "open", "it is slow", 1)
    result = notice_result(pipeline, ("a", "b", "c"), notice)
    assert not set(result.tags) & set(result.fields)
    assert result.tags["notice"] == "rate"
    assert result.tags["tag_notice"] == "c"
    assert math.isclose(float(result.time_ns), 0.0)
