"""The Isolation Forest alone, without what `anomaly.detectors.isolation_forest` puts around it.

In the order in which a forest passes them:

- `fit`: fits a forest by scikit-learn and turns it into arrays.
- `served`: the forest that serves, and its score.
- `nodes`: the forest laid out for walking, and checked.
- `walk`: the walk down the trees, compiled; `walk_numpy` is its slower stand-in.
"""
