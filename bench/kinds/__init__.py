"""How good the default pipeline and its members are on series of every kind that people have, without a stack.

Each kind is a pipeline for itself (`ingest.kinds`). Each seed has three sources, two weeks to train on, days with known
faults, and clean days. `make bench-kinds` prints for each kind what was trained or refused, and found. `faults` has
the faults, and `promise` counts how often a severity comes where nothing is wrong.
"""
