"""Scoring: one way from windows to results, for serving, backtest, catch-up and training alike.

In the order in which a window passes them:

- `core`: from a series' windows to all of their results.
- `scorer`: decides which windows can be scored, has the model judge them, and feeds the series' periods.
- `rate`: how many points a full window of a series has now.
- `limits`: what is always anomalous.
- `feedback`: marks, and which windows they keep out of periods and of training.
- `feedback_file`: a pipeline's marks on disk, beside its models.
- `periods`: runs of anomalous windows, and silence.
- `levels`: what has been going on for long enough to be how a series is now.
- `usual_scores`: what recurs each day, or goes on although no level has moved, is usual after it was told.
- `silence`: the silence of a whole pipeline, which is told once.
- `notices`: what people should know of the data although it is not an anomaly.
- `results`: the points that are written; `wording`: their sentences for people.
- `drift`: whether a series still is as training saw it.
- `series_table`: the rows of series in the arrays of what is remembered of each.
- `trackers`: the periods of many series, those about which nothing is odd as arrays.
- `places`: the places of series in a model's followers.
- `newcomers`: series that training has not seen, their warm-ups and their own baselines.
- `packing`, `state_file`, `layout`: the parts of a state as arrays, their file, and the number of its layout.
- `hand_over`: what a catch-up hands over to the running UDF.
- `events`: counts of what happened to windows and points, by reason.
"""
