"""From windows to results: scorer, periods, feedback, drift."""
