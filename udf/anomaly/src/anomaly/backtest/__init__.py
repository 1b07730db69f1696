"""What a model would have found in history, and how that compares with what is known to have happened.

`replay` scores windows by the core that serves, at several severities at once; `labels` reads what is known; `evaluate`
compares, on intervals alone; `report` makes tables of it.
"""
