"""From scores to severity: how rare a score is."""
