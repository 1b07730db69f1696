"""Parts that several detectors share.

In the order in which a window passes them:

- `featurewise`: a detector that looks at each feature of each series for itself.
- `channel`: one such feature, as an interface.
- `novelty`: how far a value is from all values before.
- `surprise`: how rare a number is among those before it.
- `shares`: each feature's share of a score.
- `learnt`: what followers remember at the end of training, and how a model keeps it.
"""
