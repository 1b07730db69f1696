"""Windows: half-open intervals of one series, with the aggregates of their points.

In the order in which data pass them:

- `arrays`: the names of array types and of a series' key, and how arrays are cut into runs.
- `point_log`: the raw points of all open windows, as columns.
- `assembler`: cuts points into windows of event time, and closes each window when its time has come.
- `aggregates`: the aggregates of the raw points of many windows at once, as InfluxQL computes them.
- `series`: the windows of one series, as serving, backtest and catch-up bring them.
- `windows`: the windows of all series as columns, as training brings them.
- `completeness`: which windows may be scored, and with which of their fields.
- `blocks`: a history in blocks of time, for hold-outs.
"""
