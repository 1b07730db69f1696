"""Detectors, one a file, behind one interface.

In the order in which a window passes them:

- `base`: the interface of a fitted detector, and the history that it is fitted to.
- `declaration`: what a detector says of itself, and what it is fitted with.
- `registry`: all detectors by name; adding one is adding a line here.
- `published`: what the JSON Schema and docs/detectors.md say of them.
- `parts`: what several detectors share, such as the past of one feature of one series.
- `wrappers`: what is put around a detector, such as a model for each series.
- `forest`: the nodes of an Isolation Forest, how they are fitted, and the walk down its trees.
- `gap`, `slow_gap`, `seasonal`, `seasonal_gap`: each feature for itself, remembering what it has shown.
- `robust_z`, `knn`, `isolation_forest`, `half_space_trees`: each window alone, or all features together.
- `ensemble`: the greatest of several detectors' scores.
"""
