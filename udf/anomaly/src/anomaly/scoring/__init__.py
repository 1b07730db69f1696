"""Scoring: one way from windows to results, for serving, backtest, catch-up and training alike.

In the order in which a window passes them:

- `core`: from a series' windows to all of their results.
- `scorer`: decides which windows can be scored, has the model judge them, and feeds the series' periods.
- `feedback`: marks, and which windows they keep out of periods and of training.
- `feedback_file`: a pipeline's marks on disk, beside its models.
- `periods`: runs of anomalous windows, and silence.
- `silence`: the silence of a whole pipeline, which is told once.
- `notices`: what people should know of the data although it is not an anomaly.
- `results`: the points that are written.
- `drift`: whether a series still is as training saw it.
- `places`: the places of series in a model's followers.
- `packing`, `state_file`: the parts of a state as arrays, and their file.
- `events`: counts of what happened to windows and points, by reason.
"""
