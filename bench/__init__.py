"""Benchmarks: what is measured rather than tested; each prints a table.

- `udf`, `series`, `catchup`, `deploy`, `console`: how fast UDFs, a pipeline with many series, a catch-up, a deployment
  and the console's first page are.
- `printer`, `heatpump`, `kinds`, `nab`: how good detectors are on known faults, and on a public corpus.
- `command`: what their command lines share.
- `pipelines`, `windows`, `dealing`: the delivered pipelines, the windows of a stream, and faults for its devices.
- `contest`: compares detectors on them.
- `pictures`: draws docs/detectors.svg.
"""
