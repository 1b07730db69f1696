"""Training: from history to a model that may serve. Serving never imports this room.

In the order in which a training passes them:

- `run`: the use case, from a typed request to a typed outcome; `parallel` runs several at the same time.
- `history`: reads the windows; `sample` keeps what fits in memory.
- `feedback`: what marks of feedback mean for training.
- `plan`: what the whole history decides before any part of it is trained on.
- `fit`: fits, calibrates on windows that were held out, and returns the model.
- `gate`: refuses history that holds no baseline.
- `candidate`: refuses a model that does worse than the current one.
- `progress`: says how far a training is.

Beside it, `schedule` decides when a pipeline is trained again, and `trainer` does so.
"""
