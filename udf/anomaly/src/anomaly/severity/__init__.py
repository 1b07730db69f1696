"""From scores to severity: how rare a score is.

In the order in which a score passes them:

- `calibration`: from a score to its probability, and to its severity.
- `rarity`: from a severity to the days that one series waits for such a window.
- `evidence`: from which surprise on a series' windows add up to a period.
"""
