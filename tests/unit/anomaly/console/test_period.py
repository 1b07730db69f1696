"""The page of a period: its sentences, and the feedback that people give on it."""

import pytest

from anomaly.scoring.feedback_file import feedback_path, read_marks
from tests.unit.anomaly.console.answers import BEGIN_NS, NOW_NS
from tests.unit.anomaly.console.desk import Desk
from tests.unit.anomaly.console.made import token

PERIOD = {"pipeline": "printer", "series": "printer=p1", "begin": str(BEGIN_NS)}


def test_a_period_is_told_in_sentences(desk: Desk) -> None:
    text = desk.page("/period", **PERIOD)

    assert "The reason is bed, and the highest severity 99.5, which a series reaches once in" in text
    assert "above the expected 88 to 92 °C" in text
    # The worst step: the first field has the largest share, and was above what was expected.
    first = text.partition("Which field did what")[2].partition("<tbody>")[2].partition("</tr>")[0]
    assert '<th scope="row">hotend</th>' in first and ">95 " in first
    assert 'class="pill high">above<' in first
    assert "80 %" in first


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
