"""Detectors, one a file, behind one interface (`anomaly.detectors.base`)."""
