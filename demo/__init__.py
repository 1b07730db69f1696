"""The end-to-end demonstration: deploy, train on clean history, stream a day with known faults, say what was found.

``python -m demo`` (``make demo``) exits 0 only if every injected fault was found with at most one false period.
"""
