"""Real servers as processes of this machine, for tests and benchmarks; no containers.

`images` knows the images that scripts/test-images builds, `binaries` takes a program out of one, `daemon` runs it with
its log, and `kapacitord`, `influxd` and `server` are the servers that there are.
"""
