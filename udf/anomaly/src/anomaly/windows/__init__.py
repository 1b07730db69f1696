"""Windows: aggregates of raw points, which fields are complete, blocks of history."""
