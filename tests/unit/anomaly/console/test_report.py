"""A report in the console: a page that may do nothing, or an archive."""

import io
import zipfile

from tests.unit.anomaly.console.desk import Desk


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
