"""InfluxDB 1.x: what is asked of it, in which words, and how answers become windows and marks.

In the order in which a query passes them:

- `times`: from what people ask for ("24h", an RFC 3339 time) to window edges.
- `influxql`: the text of queries.
- `window_queries`: the text of those for a pipeline's windows.
- `client`: sends queries and writes over HTTP, and answers chunk by chunk.
- `point_source`: windows of fields that are made of single points, such as rates of counters.
- `source`: the source of a pipeline: its fields, and its windows, out of answers.
- `marks`: marks of feedback, read and written.
- `known_periods`: the periods that results hold, read.
- `overview`: what the results say of pipelines now.
- `lines`: results as line protocol.
- `retention`: removes old results.

This room knows scores and marks as data only: what training makes of marks is in `anomaly.training.feedback`.
"""
