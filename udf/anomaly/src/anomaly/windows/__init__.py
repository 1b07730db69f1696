"""Windows: half-open intervals of one series, with the aggregates of their points.

In the order in which data pass them:

- `arrays`: the names of array types and of a series' key, and how arrays are cut into runs.
- `calendar_times`: when a pipeline's calendars mean something.
- `cut`: how time is cut into windows, in UTC or by the clock of a time zone.
- `civil`: the clock on the wall, by which people live.
- `validity`: which values of points are measurements.
- `point_log`: the raw points of all open windows, as columns.
- `assembler`: cuts points into windows of event time, and closes each window when its time has come.
- `interruption`: which windows may lack points, as nobody took points for a while.
- `derivation`: the values of watched fields that are made of single points, such as rates of counters.
- `aggregates`: the aggregates of the raw points of many windows at once, as InfluxQL computes them.
- `fill`: lets the last value of a field stand in windows without points of it.
- `series`: the windows of one series, as serving, backtest and catch-up bring them.
- `windows`: the windows of all series as columns, as training brings them.
- `completeness`: which windows may be scored, and with which of their fields.
- `unscored`: which series have no such window, and why.
- `blocks`: a history in blocks of time, for hold-outs.
"""
