"""Models: what training made of a history, in memory and on disk.

In the order in which a window passes them:

- `relevance`: which deviations of a field count.
- `trend`: the lines along which series rise or fall, which are taken away first.
- `features`: from aggregates to the feature vectors that detectors see, by each series' baseline.
- `few_points`: what a window with few points says, in the terms of windows with the usual number.
- `newcomers`: what holds for series of which training has no baseline.
- `reference`: the distribution of each feature in training.
- `model`: baseline, detector and calibration together, and the verdict on a window.
- `manifest`: what is written down of a version, and whether a pipeline can use it.
- `libraries`: the versions of the libraries that made a model.
- `store`: versions on disk, and the links to the current one and to the shadow.
"""
