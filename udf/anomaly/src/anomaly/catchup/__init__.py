"""Scores later what could not be scored in time, as if nothing had happened.

While Kapacitor, its UDF or the subscription is down, points stay in InfluxDB without a score. So do points that arrived
while there was no model, and points that came after their window had been closed. A catch-up passes these modules:

- `run`: the use case, from a typed request to what came out.
- `queries`, `database`: what is asked of InfluxDB, as text and as methods.
- `gaps`: counts points and scores of each series in coarse buckets, and finds where scores are fewer than windows. When
  nothing is missing, no window is late and no period is doubtful, that is all.
- `period_signs`: what is noted of a window's period, by which a period that the UDF has written since is known.
- `repair`: replays each series that needs something by the core that serves. The replay begins with a lead-in and ends
  when no period is running. Windows that have a score are judged by the model that made it, the others by the current
  model. A detector that remembers is led in by everything that it has learnt from. The repair writes the missing
  scores, corrects those of windows with late points, labels that came out otherwise, and the periods. It removes
  periods that the replay does not have, such as `no data` where there is data now, or the second half of one that went
  on through the gap.

Other existing scores are never changed. The UDF writes each window that got late points to the measurement `late`, with
the time at which it saw the last one (`seen_ms`). So it does with windows that may lack points, because these came
while there was no UDF. A catch-up that has scored the window again writes this time to the same point (`done_ms`). So a
point that comes later still, even while the catch-up runs, makes the window a candidate of the next catch-up.
A repair names its own first and last missing window there until it is whole: if it is killed when scores are written
and their periods are not, the next catch-up replays all of it, and writes what is lacking.

Windows that the UDF may still score are left alone: those that end less than the pipeline's lateness and two windows
before now. A period that is running then belongs to the UDF. If it began in the gap, or has windows that were scored
again, the next catch-up after its end corrects it. A silence that is open stays so while its series has no data.

What each repaired series would remember without the outage is handed over to the UDF (`anomaly.scoring.hand_over`), so
that later scores and periods are those of a UDF that missed nothing.
"""
