"""The link at the end of an alert's message; tests/conformance/test_alerts.py has a kapacitord fill the template in."""

from typing import Any

import pytest

from anomaly.pipeline import Pipeline, normalize
from anomaly.pipeline.dashboard import dashboard_uid
from anomaly.pipeline.links import Addresses, link, link_text, period_link

SECOND = 1_000_000_000
BEGIN = 1_704_067_200 * SECOND
GRAFANA, CONSOLE = Addresses(grafana="https://g.example/"), Addresses("https://g.example", "https://c.example/")


def pipeline(**changes: Any) -> Pipeline:
    known = {"name": "p", "database": "db", "measurement": "m", "fields": ["a"], "window": "10s"}
    return normalize([{**known, **changes}])[0]


def shown(addresses: Addresses, tags: dict[str, str], *, is_period: bool = False, **changes: Any) -> str:
    return link_text(pipeline(**changes), addresses, tags, BEGIN, 70 * SECOND, is_period=is_period)


def test_without_an_address_there_is_no_link() -> None:
    assert link(pipeline(), Addresses()) == ""
    assert shown(Addresses(), {}) == ""


@pytest.mark.parametrize(("window", "beside_s"), [("10s", 3600), ("1h", 60 * 3600)])
def test_a_dashboard_shows_an_hour_or_sixty_windows_beside_the_period(window: str, beside_s: int) -> None:
    from_ms, to_ms = 1000 * (1_704_067_200 - beside_s), 1000 * (1_704_067_270 + beside_s)
    assert shown(GRAFANA, {"pipeline": "p"}, window=window) == (
        f" https://g.example/d/{dashboard_uid('p')}/?from={from_ms}&to={to_ms}"
    )


def test_a_dashboard_chooses_the_series_by_the_names_of_results() -> None:
    found = shown(GRAFANA, {"tag_state": "a&b"}, group_by=["room", "state"])

    assert found.endswith("&var-tag2=a%26b")
    assert "var-tag1" not in found


def test_the_console_shows_a_period_by_its_begin() -> None:
    tags = {"pipeline": "p", "room": "a&b ü", "tag_state": ""}
    assert shown(CONSOLE, tags, is_period=True, group_by=["room", "state"]) == (
        f" https://c.example/period?pipeline=p&series=room%3Da%26b+%C3%BC&begin={BEGIN}"
    )


@pytest.mark.parametrize(("group_by", "query"), [((), "pipeline=p"), (("room",), "pipeline=p&series=room%3Da")])
def test_the_console_shows_what_is_no_period_as_the_series_at_that_time(group_by: tuple[str, ...], query: str) -> None:
    assert shown(CONSOLE, {"pipeline": "p", "room": "a"}, group_by=list(group_by)) == (
        f" https://c.example/series?{query}&from=2023-12-31T23:00:00Z&to=2024-01-01T01:01:10Z"
    )


def test_the_console_shows_what_all_series_have_as_the_pipeline() -> None:
    assert shown(CONSOLE, {"pipeline": "p"}, group_by=["room"]) == " https://c.example/?pipeline=p"


def test_the_period_of_an_incident_is_named_by_the_tags_of_its_results() -> None:
    found = period_link(CONSOLE, "p", {"pipeline": "p", "room": "a"}, BEGIN)
    assert found == f" https://c.example/period?pipeline=p&series=room%3Da&begin={BEGIN}"


@pytest.mark.parametrize("addresses", [Addresses("https://g.example/{{ evil }}"), Addresses("", "https://{{ evil }}")])
def test_an_address_cannot_begin_an_action_of_the_template(addresses: Addresses) -> None:
    assert "{{ evil }}" not in link(pipeline(), addresses)


def test_a_tag_is_quoted_for_the_template() -> None:
    named = pipeline(group_by=['a"b\\c'])
    assert r'{{ with index .Tags "a\"b\\c" }}&var-tag1={{ urlquery . }}{{ end }}' in link(named, GRAFANA)
    assert r'{{ else if or (index .Tags "a\"b\\c") }}series' in link(named, CONSOLE)
    assert r'{{ with index .Tags "a\"b\\c" }}&series=a%22b%5Cc%3D{{ urlquery . }}{{ end }}' in link(named, CONSOLE)
