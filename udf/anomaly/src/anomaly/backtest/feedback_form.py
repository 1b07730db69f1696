"""The form of a report's page in which a reader marks periods as false alarms, true anomalies or maintenance.

The browser writes the marks to InfluxDB's HTTP API. This module makes whole lines of line protocol, and the page's
script (report.js) only sends the chosen ones. A browser without scripts does not show the form, and the text and the
Markdown of a report do not have it.
"""

from collections.abc import Mapping
from html import escape
from importlib import resources
from typing import Any

from anomaly.influxdb.marks import mark_line
from anomaly.influxdb.times import parse_time
from anomaly.pipeline.result_tags import result_tag
from anomaly.scoring.feedback import FALSE_ALARM, MAINTENANCE, TRUE, Mark

_NAMES = {"": "…", FALSE_ALARM: "false alarm", TRUE: "true anomaly", MAINTENANCE: "maintenance"}
_NOTE = "backtest"


def choice(pipeline: str, period: Mapping[str, Any]) -> str:
    """Return the control of one period; the value of each of its options is the line to write.

    Args:
        pipeline: the pipeline's name.
        period: one of the document's periods.
    """
    begin_ns, end_ns = (parse_time(period[key], key) for key in ("from", "to"))
    series = {result_tag(tag): value for tag, value in period["tags"].items()}
    options = (
        (mark_line(pipeline, Mark(kind, begin_ns, end_ns, series, _NOTE)) if kind else "", name)
        for kind, name in _NAMES.items()
    )
    listed = "".join(f'<option value="{escape(line)}">{name}</option>' for line, name in options)
    return (
        f'<select class="judge" aria-label="what the period of {period["from"]} was" hidden="hidden">{listed}</select>'
    )


def form(database: str) -> str:
    """Return the form that asks where to write the marks, with the script that sends them.

    Args:
        database: the name of the results database.
    """
    script = resources.files("anomaly.backtest").joinpath("report.js").read_text(encoding="utf-8")
    return f"""<form class="judge" hidden="hidden">
<h2>Say what periods were</h2>
<p class="soft">What is chosen above is written as feedback: false alarms and their like open no period any more,
true anomalies and maintenance are left out of the next training.</p>
<p><label>InfluxDB <input name="address" type="url" value="http://127.0.0.1:8086" required="required"/></label>
<label>database <input name="database" value="{escape(database)}" required="required"/></label>
<label>user <input name="user" value="trainer" autocomplete="username"/></label>
<label>password <input name="password" type="password" autocomplete="current-password"/></label>
<button>Write feedback</button></p>
<p><output></output></p>
</form>
<script>//<![CDATA[
{script}//]]></script>"""
