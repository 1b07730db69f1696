"""The page Now: which series are first, and how they are searched, filtered and paged."""

from pathlib import Path

import pytest
from starlette.testclient import TestClient

from anomaly.console.now import SIZE
from tests.unit.anomaly.console.answers import HOSTILE, PIPELINES, Results
from tests.unit.anomaly.console.desk import Desk
from tests.unit.anomaly.console.made import client, make_app


def now(browser: TestClient, **parameters: str | int) -> dict[str, object]:
    answer = browser.get("/api/now", params=parameters)
    assert answer.status_code == 200, answer.text
    found: dict[str, object] = answer.json()
    return found


def names(found: dict[str, object]) -> list[str]:
    series = found["series"]
    assert isinstance(series, list)
    return [each["tags"]["printer"] for each in series]


def test_the_worst_series_is_first(desk: Desk) -> None:
    found = now(desk.viewer)

    assert names(found) == ["p1", "p3", "p9", HOSTILE, "p2"]
    assert found["counts"] == {"all": 5, "open": 1, "silent": 1, "notice": 1}


def test_a_pipeline_with_a_problem_is_first(desk: Desk) -> None:
    pipelines = now(desk.viewer)["pipelines"]

    assert isinstance(pipelines, list)
    assert [(each["name"], each["problems"]) for each in pipelines] == [
        ("other", ["no scores for 1h"]),
        ("printer", []),
    ]
    assert {name: pipelines[1][name] for name in ("series", "open_periods", "open_notices", "scored_last_hour")} == {
        "series": 3,
        "open_periods": 2,
        "open_notices": 1,
        "scored_last_hour": 720,
    }


@pytest.mark.parametrize(
    ("parameters", "expected"),
    [
        ({"state": "open"}, ["p1"]),
        ({"state": "silent"}, ["p3"]),
        ({"state": "notice"}, ["p9"]),
        ({"search": "PRINTER=p2"}, ["p2"]),
        ({"search": "printer p"}, ["p1", "p3", "p9", HOSTILE, "p2"]),
        ({"search": "p1 p2"}, []),
        ({"pipeline": "other"}, []),
        ({"size": 2, "page": 2}, ["p9", HOSTILE]),
        ({"size": 2, "page": 99}, ["p2"]),
    ],
)
def test_series_are_searched_filtered_and_paged(
    desk: Desk, parameters: dict[str, str | int], expected: list[str]
) -> None:
    assert names(now(desk.viewer, **parameters)) == expected


def test_pages_of_ten_thousand_series_are_led_to(desk: Desk) -> None:
    desk.results.series = 10_000

    text = desk.page("/", page=2, search="printer")

    assert text.count('<th scope="row"><a href="/series?') == SIZE
    assert f"{SIZE + 1} to {2 * SIZE} of 10,005" in text
    assert 'rel="next" href="/?search=printer&amp;page=3"' in text


def test_a_snapshot_is_shown_to_all_for_a_while(tmp_path: Path) -> None:
    app, influx = make_app(tmp_path, PIPELINES, Results(), cache_seconds=60)
    browser = client(app, "vera")

    now(browser)
    asked = len(influx.queries)
    now(browser, search="p1")

    assert len(influx.queries) == asked
    # Both lengths of windows in one request, and five other questions.
    assert asked == 7
    assert influx.queries[0].count("SELECT last") == 2


def test_the_first_page_says_what_is_wrong(desk: Desk) -> None:
    text = desk.page("/")

    assert "<title>1 open period, 1 silent · anomaly</title>" in text
    assert "<h1>1 open period, 1 silent</h1>" in text
    assert "<b>other</b> no scores for 1h" in text
    assert "2 periods ‹b›" in text
    assert "none: run train.yml" in text


def test_a_quiet_stack_says_so(tmp_path: Path) -> None:
    text = client(make_app(tmp_path, PIPELINES)[0], "vera").get("/").text

    assert "<h1>All quiet</h1>" in text
    assert "The keeper has said nothing for five minutes" in text
