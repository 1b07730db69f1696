"""How fast UDFs are behind a real kapacitord: all of one run, with ratios.

- `cli`: reads the command line; `errors` has what a benchmark fails with.
- `prepare`: gets what the rows need.
- `rows`: what is measured.
- `measure`: measures the rows side by side.
- `session`, `alone`: a row behind a kapacitord, and a UDF that gets `frames` through a pipe.
- `data`, `writer`, `sink`: the points, how they get in, and where they arrive.
- `processes`, `percentiles`, `about`: what a process takes, percentiles, and what a result was measured on.
- `report`: the numbers and the tables.
"""
