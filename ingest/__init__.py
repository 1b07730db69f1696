"""Writes time series into InfluxDB 1.x: the dummy printer stream and CSV replay.

``python -m ingest printer`` makes seeded, reproducible temperatures of imaginary 3D printers, with faults as data and
the ground truth beside them. ``python -m ingest csv`` replays a file. Both write in batches with retries.
"""
