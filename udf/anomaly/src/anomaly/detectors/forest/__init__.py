"""The Isolation Forest: fit, nodes and walks."""
