"""Writes time series into InfluxDB 1.x: the dummy printers' stream, and rows of CSV files.

``python -m ingest printer`` makes seeded, reproducible temperatures of imaginary 3D printers. It reads the faults from
a file, and writes the ground truth into another. ``python -m ingest csv`` replays a file. Both write in batches with
retries.

In the order in which data pass the modules:

- ``cli`` and ``arguments``: read the command line; ``passwords`` reads the password, and ``stack``
  finds the InfluxDB of a deployed stack.
- ``faults``, ``printer`` and ``stream``: make the printers' points; ``truth`` writes the ground truth.
- ``csvreplay``: reads points from a CSV file.
- ``points`` and ``batches``: make batches of line protocol, and pace them.
- ``influx``: writes the batches; ``progress`` says how far it is.
- ``times``: reads and formats durations and times, for all of them.
"""
