"""The Numenta Anomaly Benchmark: our detectors on it, scored as NAB scores.

- `corpus`: the files, and their labelled windows.
- `detect`: one detector on one file, strictly online.
- `alarms`: from scores to alarms.
- `scoring`: what alarms are worth.
- `evaluate`: the figures of a row.
- `published`, `floors`: NAB's own figures, and those of scores that see no data.
- `structure`: whether the ensemble's make-up carries over to other files.
"""
