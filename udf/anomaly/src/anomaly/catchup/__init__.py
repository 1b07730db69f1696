"""Scores later what could not be scored in time, as if nothing had happened.

While Kapacitor, its UDF or the subscription is down, points stay in InfluxDB without a score. So do
the window that a restarting Kapacitor held, and points that arrived while there was no model. A catch-up passes these
modules:

- `run`: the use case, from a typed request to what came out.
- `queries`, `database`: what is asked of InfluxDB, as text and as methods.
- `gaps`: counts points and scores of each series in coarse buckets, and finds where scores are fewer than windows. When
  nothing is missing, that is all.
- `repair`: replays each series that lacks something by the core that serves. The replay begins with a lead-in and ends
  when no period is running. Windows that have a score are judged by the model that made it, the others by the current
  model. A detector that remembers is led in by everything that it has learnt from. The repair writes the missing
  scores, labels that came out otherwise, and the periods; it removes periods that the replay does not have, such as
  `no data` where there was data, or the second half of one that went on through the gap.

Existing scores are never changed. Windows that Kapacitor may still score are left alone: those of the last moments, and
the newest of each series, as a window ends with the series' next point only. A period that is running then belongs to
Kapacitor. If it began in the gap, the next catch-up corrects it, as a catch-up also looks at periods that were left
open.
"""
