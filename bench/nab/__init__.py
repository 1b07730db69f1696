"""The Numenta Anomaly Benchmark: our detectors on it, scored as NAB scores."""
