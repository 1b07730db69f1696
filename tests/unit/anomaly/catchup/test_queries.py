"""The queries of a catch-up."""

from anomaly.catchup import queries
from anomaly.pipeline import normalize
from tests.unit.anomaly.printers import PIPELINE

(ANY_FIELD,) = normalize([{**PIPELINE.as_dict(), "missing": "usual"}])


def test_a_field_tells_a_scored_window_where_windows_need_all_fields() -> None:
    counted = [queries.source_counts(each, 0, 9, 3).partition(" FROM ")[0] for each in (PIPELINE, ANY_FIELD)]

    assert counted == ['SELECT count("hotend")', 'SELECT count("hotend"), count("bed"), count("air")']


def test_the_newest_point_has_any_field_where_one_is_enough() -> None:
    assert 'SELECT "hotend", "bed", "air" FROM' in queries.newest(ANY_FIELD, 0)


def test_results_of_a_pipeline_without_tags_are_not_grouped() -> None:
    (single,) = normalize([{**PIPELINE.as_dict(), "group_by": []}])

    assert "GROUP BY" not in queries.late_windows(single, 0, 9)
