"""`make bench-series`: how many series one pipeline follows on a real kapacitord, with points over HTTP.

`load` makes the points, `model` trains what scores them, `session` is one pipeline behind a kapacitord, `measure`
measures a row, `report` prints all of them, and `cli` reads the command line.
"""
