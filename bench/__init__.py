"""Benchmarks: what is measured rather than tested; each prints a table."""
