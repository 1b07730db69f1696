"""Trains models on history. Serving never imports this package.

In the order in which a training passes the modules:

- `run`: the use case, from a typed request to a typed outcome; `parallel` runs several at the same time.
- `history`: reads the windows; `sample` keeps what fits in memory.
- `feedback`: decides what marks of feedback mean for training.
- `plan`: decides what the whole history is enough for, before any part of it is trained on.
- `fit`: fits a model, and calibrates it on hold-outs.
- `gate`: refuses history that holds no baseline.
- `candidate`: compares a model with the current one, and says what it does worse.
- `progress`: says how far a training is.

Beside them, `schedule` decides when a pipeline is trained again, and `trainer` starts these trainings.
"""
