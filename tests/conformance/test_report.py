"""The page of a backtest in a browser: whether a real InfluxDB takes from there what a reader says of periods."""

import re
import urllib.request
from html import unescape
from http.client import HTTPResponse

from anomaly.backtest import feedback_form
from anomaly.influxdb.marks import read_feedback
from anomaly.scoring.feedback import FALSE_ALARM
from daemons.influxd import Influxd
from tests.unit.anomaly.printers import PIPELINE

PERIOD = {"from": "2024-01-01T00:00:10Z", "to": "2024-01-01T00:01:00Z", "tags": {"printer": 'the "big" one, left'}}
# Where a page comes from that was opened as a file.
ORIGIN = "null"


def ask(url: str, method: str, body: str = "", **headers: str) -> HTTPResponse:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    request = urllib.request.Request(url, body.encode() or None, named, method=method)  # noqa: S310 - http, to ourselves
    with urllib.request.urlopen(request) as response:  # noqa: S310
        assert isinstance(response, HTTPResponse)
        return response


def test_influxdb_takes_what_the_page_sends(influxd: Influxd) -> None:
    influxd.create("anomaly")
    url = f"{influxd.url}/write?db=anomaly&precision=ns"
    asked = ask(
        url,
        "OPTIONS",
        Origin=ORIGIN,
        Access_Control_Request_Method="POST",
        Access_Control_Request_Headers="authorization",
    )
    assert asked.headers["Access-Control-Allow-Origin"] == ORIGIN
    assert "POST" in asked.headers["Access-Control-Allow-Methods"]
    assert "authorization" in asked.headers["Access-Control-Allow-Headers"].lower()
    (chosen,) = re.findall(r'<option value="([^"]+)">false alarm<', feedback_form.choice(PIPELINE.name, PERIOD))
    answer = ask(url, "POST", unescape(chosen), Origin=ORIGIN, Content_Type="text/plain;charset=UTF-8")
    assert (answer.status, answer.headers["Access-Control-Allow-Origin"]) == (204, ORIGIN)
    (mark,) = read_feedback(influxd.client, "anomaly", PIPELINE)
    assert (mark.kind, mark.series) == (FALSE_ALARM, PERIOD["tags"])
    assert (mark.begin_ns, mark.end_ns) == (1_704_067_210 * 10**9, 1_704_067_260 * 10**9)
