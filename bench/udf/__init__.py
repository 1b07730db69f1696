"""How fast UDFs are behind a real kapacitord: all of one run, with ratios."""
