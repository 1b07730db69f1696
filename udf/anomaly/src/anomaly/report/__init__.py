"""Reports: what the results of pipelines say of a range, as one page, a bitmap and tables.

`run` is the use case, from a typed request to files. In the order in which data pass them:

- `read`: reads results from InfluxDB; each query is bounded in time and in rows.
- `others`: reads which series of all pipelines moved at the time of a period.
- `summary`: says in sentences what was found.
- `plots`: draws values with their expected range, severities and periods.
- `page`, `bitmap` and `tables`: write HTML, PNG and CSV.

A report shows what detection said when it said it, and scores nothing. `anomaly.backtest` scores history anew. Both,
and the demonstration, share shapes and style sheet (`anomaly.backtest.drawing`, `report.css`).
"""
