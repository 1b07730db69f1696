"""Parts that several detectors share.

In the order in which a window passes them:

- `featurewise`: a detector that looks at each feature of each series for itself.
- `channel`: what one such feature of one series is told beforehand.
- `memory`: what followers remember, as arrays over series.
- `bytewise`: counts of which few are beyond a byte.
- `loops`: the loops over windows and channels, compiled; `uncompiled` stands in for Cython where they are not.
- `odd`: begins sums anew after a window that a change of the clock made longer or shorter.
- `novelty`: how far a value is from all values before.
- `baseline`: the mean of each time of a season.
- `surprise`: how rare a number is among those before it.
- `shares`: each feature's share of a score.
- `learnt`: what followers remember at the end of training.
"""
