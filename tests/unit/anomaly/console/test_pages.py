"""The pages Now, Series, Period and Report: what they show, whatever names series have, and what they refuse."""

import io
import zipfile
from pathlib import Path
from urllib.parse import urlencode

import pytest
from starlette.testclient import TestClient

from anomaly.console.now import SIZE
from anomaly.pipeline.links import Addresses, link_text
from anomaly.scoring.feedback_file import feedback_path, read_marks
from tests.unit.anomaly.console.answers import BEGIN_NS, HOSTILE, NOW_NS, PIPELINES, Results
from tests.unit.anomaly.console.made import client, make_app, token

PERIOD = {"pipeline": "printer", "series": "printer=p1", "begin": str(BEGIN_NS)}


class Desk:
    """Browsers of two people, and the InfluxDB behind them."""

    def __init__(self, folder: Path) -> None:
        self.results = Results()
        self.models = folder / "models"
        app, self.influx = make_app(folder, PIPELINES, self.results, cache_seconds=0)
        self.app = app
        self.viewer = client(app, "vera")
        self.operator = client(app, "otto")

    def page(self, path: str, **parameters: str | int | list[str]) -> str:
        answer = self.viewer.get(f"{path}?{urlencode(parameters, doseq=True)}")
        assert answer.status_code == 200, answer.text
        return str(answer.text)

    def refused(self, path: str, **parameters: str | int | list[str]) -> tuple[int, str]:
        answer = self.viewer.get(f"/api{path}?{urlencode(parameters, doseq=True)}")
        return answer.status_code, answer.json()["error"]


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path)


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


@pytest.mark.parametrize(
    ("path", "parameters"), [("/", {}), ("/series", {"pipeline": "printer", "series": f"printer={HOSTILE}"})]
)
def test_names_of_series_are_text_wherever_they_are(desk: Desk, path: str, parameters: dict[str, str]) -> None:
    text = desk.page(path, **parameters)

    assert "<script>alert" not in text
    assert "alert(1)" in text


def test_a_series_has_plots_and_periods(desk: Desk) -> None:
    text = desk.page("/series", pipeline="printer", series="printer=p1")

    assert "<h1" in text and ">p1</h1>" in text
    assert "1 period in 30 days, 1 of them open" in text
    assert f"begin={BEGIN_NS}" in text
    assert "&#34;address&#34;: &#34;/api/steps?pipeline=printer\\u0026series=printer%3Dp1&#34;" in text


def test_steps_are_a_grid_with_gaps(desk: Desk) -> None:
    parameters = {"pipeline": "printer", "series": "printer=p1", "from": "10m", "steps": "60"}
    found = desk.viewer.get("/api/steps", params=parameters).json()

    assert (found["step_s"], len(found["times"])) == (10.0, 60)
    at = found["times"].index(BEGIN_NS / 1e9) if BEGIN_NS / 1e9 in found["times"] else 0
    bed = next(field for field in found["fields"] if field["name"] == "bed")
    assert found["severity"][at : at + 3].count(None) >= 1
    assert {"high", "low", "expected_low", "expected_high", "contribution"} < set(bed)
    assert found["periods"][0]["begin_ns"] == str(BEGIN_NS)


@pytest.mark.parametrize(
    ("path", "parameters", "status", "message"),
    [
        ("/steps", {}, 400, "pipeline: is missing: name one (there is printer, other)."),
        ("/steps", {"pipeline": "nowhere"}, 404, "pipeline: there is no pipeline 'nowhere' (there is printer, other)."),
        (
            "/steps",
            {"pipeline": "printer", "series": "p1"},
            400,
            "series: 'p1' is not a tag of pipeline printer: write",
        ),
        ("/steps", {"pipeline": "printer", "from": "yesterday"}, 400, "from: 'yesterday' is not a time"),
        ("/steps", {"pipeline": "printer", "from": "1h", "to": "2h"}, 400, "from: '1h' is not before to."),
        ("/steps", {"pipeline": "printer", "from": "99999d"}, 400, "from: '99999d' is before 1970."),
        ("/steps", {"pipeline": "printer", "steps": "5"}, 400, "steps: '5' is not a whole number from 10 to 1200."),
        ("/now", {"state": "bad"}, 400, "state: 'bad' is not one of all, open, silent, notice."),
        ("/now", {"page": "-1"}, 400, "page: '-1' is not a whole number from 1"),
        ("/period", {"pipeline": "printer", "begin": "x"}, 400, "begin: 'x' is not the begin of a period"),
        ("/period", {"pipeline": "printer", "begin": "5"}, 404, "There is no period of this series that begins then."),
        ("/report", {"pipeline": "nowhere"}, 404, "there is no pipeline 'nowhere'"),
        ("/report", {"from": "x"}, 400, "'x' is not a time"),
        ("/models", {"pipeline": "nowhere"}, 404, "there is no pipeline 'nowhere'"),
    ],
)
def test_what_cannot_be_is_refused(
    desk: Desk, path: str, parameters: dict[str, str], status: int, message: str
) -> None:
    code, error = desk.refused(path, **parameters)

    assert code == status
    assert message in error


def test_a_period_is_told_in_sentences(desk: Desk) -> None:
    text = desk.page("/period", **PERIOD)

    assert "The reason is bed, and the highest severity 99.5, which a series reaches once in" in text
    assert "above the expected 88 to 92 °C" in text
    # The worst step: the second field has the largest share, and was above what was expected.
    first = text.partition("Which field did what")[2].partition("<tbody>")[2].partition("</tr>")[0]
    assert f'<th scope="row">{PIPELINES[0].fields[1]}</th>' in first or ">95 " in first
    assert 'class="pill high">above<' in first
    assert "80 %" in first


@pytest.mark.parametrize(
    ("path", "tags", "is_period"),
    [("/period", {"printer": "p1"}, True), ("/series", {"printer": "p1"}, False), ("/", {}, False)],
)
def test_an_alert_leads_to_a_page(desk: Desk, path: str, tags: dict[str, str], is_period: bool) -> None:
    addresses = Addresses(console="http://console.example/")
    link = link_text(PIPELINES[0], addresses, {"pipeline": "printer", **tags}, BEGIN_NS, 0, is_period=is_period)

    answer = desk.viewer.get(link.strip())

    assert (answer.status_code, answer.url.path) == (200, path), answer.text


def test_a_period_that_is_gone_leads_to_the_series_at_that_time(desk: Desk) -> None:
    answer = desk.viewer.get("/period", params={**PERIOD, "begin": str(BEGIN_NS + 1)})

    assert answer.status_code == 404
    at, _, rest = answer.text.partition('href="/series?')[2].partition("&amp;from=")
    assert at.startswith("pipeline=printer&amp;series=")
    assert rest.partition('"')[0].count("&amp;to=") == 1
    assert "It may have been scored again." in answer.text


def test_a_viewer_is_offered_no_feedback(desk: Desk) -> None:
    text = desk.page("/period", **PERIOD)
    answer = desk.viewer.post("/period/feedback", data={**PERIOD, "kind": "true", "csrf": token(desk.viewer)})

    assert 'value="false_alarm"' not in text
    assert answer.status_code == 403
    assert "This needs the role operator, and vera has viewer." in answer.text
    assert desk.influx.lines == []


def test_feedback_is_written_and_handed_to_the_running_pipeline(desk: Desk) -> None:
    form = {**PERIOD, "kind": "false_alarm", "note": " the door\nwas open ", "csrf": token(desk.operator)}
    desk.results.marks = [[BEGIN_NS, "false_alarm", NOW_NS // 10**6, "the door was open"]]

    answer = desk.operator.post("/period/feedback", data=form)

    assert answer.status_code == 303
    assert (
        answer.headers["location"]
        == f"/period?pipeline=printer&series=printer%3Dp1&begin={BEGIN_NS}&done=added#feedback"
    )
    (line,) = desk.influx.lines
    assert line.startswith('feedback,pipeline=printer,printer=p1 kind="false_alarm",end_ms=')
    assert f'note="the door was open" {BEGIN_NS}' in line
    (mark,) = read_marks(feedback_path(desk.models, "printer"))
    assert mark.appearance is not None and mark.appearance.score == 1.0


def test_feedback_says_what_it_will_change(desk: Desk) -> None:
    text = desk.operator.get("/period", params=PERIOD).text

    assert "a score of at most 1.1, and" in text
    assert "from 94 to 96 as the reason (80 %)" in text
    assert "The next training leaves these windows out, so it never takes them for normal." in text


def test_a_mark_is_taken_back(desk: Desk) -> None:
    desk.results.marks = [[BEGIN_NS, "maintenance", NOW_NS // 10**6, "oil"]]
    (mark,) = desk.operator.get("/api/period", params=PERIOD).json()["feedback"]

    answer = desk.operator.post(
        "/period/feedback/remove", data={**PERIOD, "id": mark["id"], "csrf": token(desk.operator)}
    )
    again = desk.operator.post("/period/feedback/remove", data={**PERIOD, "id": "x", "csrf": token(desk.operator)})

    assert (answer.status_code, again.status_code) == (303, 404)
    (line,) = desk.influx.lines
    assert 'kind="removed"' in line


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ({"kind": "bad"}, "kind: &#39;bad&#39; is not one of false_alarm, true, maintenance."),
        ({"kind": "true", "note": "x" * 1_001}, "note: write at most 1000 characters."),
        ({"kind": "true", "series": "printer=p3"}, "A silence has no windows"),
    ],
)
def test_feedback_that_means_nothing_is_refused(desk: Desk, more: dict[str, str], message: str) -> None:
    answer = desk.operator.post("/period/feedback", data={**PERIOD, **more, "csrf": token(desk.operator)})

    assert answer.status_code == 400
    assert message in answer.text
    assert desk.influx.lines == []


def test_others_that_moved_are_a_part_of_the_page(desk: Desk) -> None:
    text = desk.page("/period/others", **PERIOD)
    part = text.partition('<div id="fragment">')[2]

    assert 'href="/series?pipeline=other&amp;series=printer%3Dp2"' in part
    assert part.count('<th scope="row">') == 1


def test_a_report_is_a_page_that_may_do_nothing(desk: Desk) -> None:
    desk.results.series = 0
    answer = desk.viewer.get("/report/view", params={"pipeline": "printer", "from": "1h"})

    assert answer.status_code == 200, answer.text
    assert "sandbox" in answer.headers["content-security-policy"]
    assert "script-src" not in answer.headers["content-security-policy"]
    assert "Beside this file" not in answer.text


def test_a_report_is_an_archive_with_its_tables(desk: Desk) -> None:
    answer = desk.viewer.get("/api/report", params={"pipeline": "printer", "from": "1h", "format": "zip"})

    assert answer.headers["content-disposition"] == 'attachment; filename="report.zip"'
    with zipfile.ZipFile(io.BytesIO(answer.content)) as archive:
        assert {"report.html", "report-periods.csv", "report-values.csv"} <= set(archive.namelist())


def test_a_quiet_stack_says_so(tmp_path: Path) -> None:
    text = client(make_app(tmp_path, PIPELINES)[0], "vera").get("/").text

    assert "<h1>All quiet</h1>" in text
    assert "The keeper has said nothing for five minutes" in text
