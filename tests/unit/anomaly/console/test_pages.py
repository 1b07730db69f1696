"""All pages: names of series are text, and alerts lead to them."""

import pytest

from anomaly.pipeline.links import Addresses, link_text
from tests.unit.anomaly.console.answers import BEGIN_NS, HOSTILE, PIPELINES
from tests.unit.anomaly.console.desk import Desk


@pytest.mark.parametrize(
    ("path", "parameters"), [("/", {}), ("/series", {"pipeline": "printer", "series": f"printer={HOSTILE}"})]
)
def test_names_of_series_are_text_wherever_they_are(desk: Desk, path: str, parameters: dict[str, str]) -> None:
    text = desk.page(path, **parameters)

    assert "<script>alert" not in text
    assert "alert(1)" in text


@pytest.mark.parametrize(
    ("path", "tags", "is_period"),
    [("/period", {"printer": "p1"}, True), ("/series", {"printer": "p1"}, False), ("/", {}, False)],
)
def test_an_alert_leads_to_a_page(desk: Desk, path: str, tags: dict[str, str], is_period: bool) -> None:
    addresses = Addresses(console="http://console.example/")
    link = link_text(PIPELINES[0], addresses, {"pipeline": "printer", **tags}, BEGIN_NS, 0, is_period=is_period)

    answer = desk.viewer.get(link.strip())

    assert (answer.status_code, answer.url.path) == (200, path), answer.text
