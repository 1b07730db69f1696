"""Models: features, baseline, manifest and store."""
