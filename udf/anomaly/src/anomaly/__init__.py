"""Anomalies in InfluxDB 1.x time series.

The rooms, in the order in which data pass them:

- `pipeline`: one detection job as configured, with its defaults, checks and identity.
- `windows`: aggregates of raw points, and which windows may be scored with which fields.
- `severity`: how rare a score is.
- `detectors`: the algorithms, one a file, and what they have in common.
- `models`: features, baseline, manifest and store: what training made and serving loads.
- `scoring`: from windows to scores, periods, feedback and drift; nobody else scores.
- `influxdb`: queries, answers, marks and line protocol.
- `kapacitor`: the script of a pipeline's task, and the values of its vars.
- `grafana`: the dashboards of pipelines and of the stack.
- `serving`: the Kapacitor UDF, which scores windows as they end.
- `training`: from history to a new version, through the gate.
- `backtest`: what a model would have found in history.
- `catchup`: scores what was missed.
- `report`: what the results say of a range, as a page.
- `console`: pages in a browser that show the results, and take feedback.
- `keeper`: watches detection, repairs it, and runs what is due.
- `cli`: the command `anomaly`.

All rooms may use `counted`, `locations`, `login`, `nanoseconds` and `refusal`, which use none.

Nothing imports upwards: a room uses the rooms above it in this list. `serving`, `training`, `backtest`, `catchup` and
`grafana` do not know each other, nor do `influxdb` and `kapacitor`, nor `keeper` and `console`. `make lint` holds these
rules (`[tool.importlinter]` in pyproject.toml).

Nothing is imported here: `anomaly.pipeline` must stay importable with jsonschema alone, and the UDF must answer
Kapacitor's Info request before numpy is loaded.
"""

__version__ = "0.1.0"
