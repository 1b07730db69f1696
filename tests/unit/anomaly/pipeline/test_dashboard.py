"""Where a pipeline's dashboard is."""

from typing import Any

import pytest

from anomaly.pipeline import Pipeline, normalize
from anomaly.pipeline.dashboard import address, dashboard_uid, link

SECOND = 1_000_000_000
BEGIN = 1_704_067_200 * SECOND


def pipeline(**changes: Any) -> Pipeline:
    known = {"name": "p", "database": "db", "measurement": "m", "fields": ["a"], "window": "10s"}
    return normalize([{**known, **changes}])[0]


def test_a_dashboard_keeps_its_identifier() -> None:
    assert dashboard_uid("printer") == "anomaly-3d3221b2db3115d65e93"
    assert len(dashboard_uid("ü" * 200)) <= 40


def test_without_a_grafana_there_is_no_link() -> None:
    assert link(pipeline(), "") == ""
    assert address(pipeline(), "", {}, BEGIN, 0) == ""


@pytest.mark.parametrize(("window", "beside_s"), [("10s", 3600), ("1h", 60 * 3600)])
def test_an_address_shows_an_hour_or_sixty_windows_beside_the_period(window: str, beside_s: int) -> None:
    found = address(pipeline(window=window), "https://g.example/", {"pipeline": "p"}, BEGIN, 70 * SECOND)

    from_ms, to_ms = 1000 * (1_704_067_200 - beside_s), 1000 * (1_704_067_270 + beside_s)
    assert found == f" https://g.example/d/{dashboard_uid('p')}/?from={from_ms}&to={to_ms}"


def test_an_address_chooses_the_series_by_the_names_of_results() -> None:
    found = address(pipeline(group_by=["room", "state"]), "https://g.example", {"tag_state": "a&b"}, BEGIN, 0)

    assert found.endswith("&var-tag2=a%26b")
    assert "var-tag1" not in found


def test_an_address_of_grafana_cannot_begin_an_action_of_the_template() -> None:
    assert "{{ evil }}" not in link(pipeline(), "https://g.example/{{ evil }}")


def test_a_tag_is_quoted_for_the_template() -> None:
    assert r'{{ with index .Tags "a\"b\\c" }}&var-tag1={{ urlquery . }}{{ end }}' in link(
        pipeline(group_by=['a"b\\c']), "https://g.example"
    )
