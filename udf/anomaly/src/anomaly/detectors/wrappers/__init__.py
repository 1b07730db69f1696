"""What is put around a detector.

From the outside in:

- `context`: adds columns from earlier windows and from the time.
- `per_series`: chooses the model of the series, or the pooled one.
- `outliers`: remembers outliers of a forest, ranks its scores as `running_tail` does, and weighs what results.
- `running_tail`: turns a score into its rarity among those of the same series so far.
- `coupling`: adds what each feature is beyond what the other fields say of it.
- `tails`: measures features beyond their quantiles in units of their tails.
"""
