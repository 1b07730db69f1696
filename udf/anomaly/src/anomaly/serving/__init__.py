"""Serving: the Kapacitor UDF, which scores windows as they end.

In the order in which a task starts:

- `udf`: the declaration, light enough to answer Info at once.
- `handler`: from Kapacitor's windows to points, by the scoring core.
- `watcher`: the current model, or the shadow, in a process that goes on running.
- `feedback_watcher`: the marks of feedback, likewise.
- `shadow`: a candidate that scores beside the current model.
- `pace`: how often something is looked at.
"""
