"""Trains models on history. Serving never imports this package.

In the order in which a training passes the modules:

- `run`: the use case, from a typed request to a typed outcome; `parallel` runs several at the same time.
- `history`: reads the windows; `sample` keeps what fits in memory.
- `rules`: tells of values that are invalid, and of overrides that meet no series.
- `counters`: tells of counters that are watched as if they were none.
- `constants`: tells of fields that never change, whose first other value opens a period.
- `feedback`: decides what marks of feedback mean for training.
- `known_periods`: decides which windows training leaves out because they lie in periods that are known.
- `plan`: decides what the whole history is enough for, before any part of it is trained on.
- `left_out`: tells which windows are not trained on, and why.
- `changes`: finds levels that changed for good within the history.
- `fit`: fits a model, and calibrates it on hold-outs.
- `gate`: refuses history that is too little, and tells how much of it looks like no rest.
- `promise`: says up to where severity means what it says, and why it may not.
- `candidate`: compares a model with the current one, and says what it does worse.
- `progress`: says how far a training is, and keeps what people should know at its end.
- `naming`: names the first of many series in a sentence.

Beside them, `schedule` decides when a pipeline is trained again, and `trainer` asks it for the keeper.
"""
