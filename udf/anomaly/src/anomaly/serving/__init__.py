"""Serving: the Kapacitor UDF, which scores windows as they end.

In the order in which a task starts:

- `udf`: the declaration, light enough to answer Info at once.
- `handler`: from Kapacitor's windows to points, by the scoring core.
- `clock_notices`, `invalid_notices`: what is told of points once, and not for each of them.
- `watcher`: the current model, or the shadow, in a process that goes on running.
- `feedback_watcher`: the marks of feedback and the calendars, likewise.
- `shadow`: a candidate that scores beside the current model.
- `state_writer`: writes the file of the state beside the scoring; `snapshot`: what Kapacitor keeps,
  which is a reference to the file, or the bytes.
- `closing_file`: up to where windows are closed, which a kill does not set back.
- `takeover`: takes over what a catch-up hands over, and what another process left.
- `window_log`: the windows that were closed lately, which are added to it.
- `pace`: how often something is looked at.
"""
