"""Scores later what could not be scored in time, as if nothing had happened.

While Kapacitor, its UDF or the subscription is down, points stay in InfluxDB without a score; so does the window that a
restarting Kapacitor held, and whatever came while there was no model. A catch-up

1. counts points and scores of each series in coarse buckets, and looks closer only where scores are fewer than windows
   (`gaps`): when nothing is missing, that is all;
2. replays each series that lacks something from a lead-in on, by the core that serves (`repair`): windows that have a
   score are judged by the model that made it, those that lack one by the current model, until no period is running;
   the lead-in of a detector that remembers is all that it has learnt from;
3. writes the missing scores, labels that came out otherwise, and the periods; removes periods that the replay does not
   have, such as `no data` where there was data, or the second half of one that went on through the gap.

Scores that are there are never changed. Neither touched are windows that Kapacitor may still score: those of the last
moments, and the newest of each series, which ends with the series' next point only. A period that is running then
belongs to Kapacitor; what it makes of one that began in the gap is put right by the next catch-up, which also looks at
periods that were left open.
"""
