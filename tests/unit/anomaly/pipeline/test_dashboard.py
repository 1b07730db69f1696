"""Where a pipeline's dashboard is."""

from anomaly.pipeline.dashboard import dashboard_uid, tag_variable


def test_a_dashboard_keeps_its_identifier() -> None:
    assert dashboard_uid("printer") == "anomaly-3d3221b2db3115d65e93"
    assert len(dashboard_uid("ü" * 200)) <= 40


def test_a_variable_has_letters_and_digits_only() -> None:
    assert [tag_variable(number) for number in range(2)] == ["tag1", "tag2"]
