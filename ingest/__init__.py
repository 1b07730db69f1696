"""Writes time series into InfluxDB 1.x: the streams of dummy processes, and rows of CSV files.

``python -m ingest printer`` makes seeded, reproducible temperatures of imaginary 3D printers, ``python -m ingest
heatpump`` what the sensors of imaginary heat pumps show, and ``python -m ingest source`` series of every kind that
people have. They read the faults from a file, and write the ground truth into another. ``python -m ingest csv`` replays
a file. All write in batches with retries.

In the order in which data pass the modules:

- ``cli`` and ``arguments``: read the command line; ``passwords`` reads the password, and ``stack``
  finds the InfluxDB of a deployed stack.
- ``process``: defines what a dummy process is; ``printer``, ``heatpump`` and ``kinds`` are those that there are, on the
  times and with the noise of ``grid``; ``counting`` makes whole numbers; ``processes`` lists them.
- ``faults`` and ``stream``: make the points of a process with its faults; ``truth`` writes the ground truth.
- ``csvreplay``: reads points from a CSV file.
- ``points`` and ``batches``: make batches of line protocol, and pace them.
- ``influx``: writes the batches; ``progress`` says how far it is.
- ``times``: reads and formats durations and times, for all of them; ``errors`` has the exception that ``cli`` turns
  into a message.
"""
