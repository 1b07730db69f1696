"""Anomalies in InfluxDB 1.x time series.

Nothing is imported here: `anomaly.pipeline` must stay importable with jsonschema alone, and the UDF must answer
Kapacitor's Info request before numpy is loaded.
"""

__version__ = "0.1.0"
