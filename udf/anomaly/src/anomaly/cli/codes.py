"""The exit codes of all commands, as the README lists them."""

DONE = 0
BUG = 1
USAGE = 2
REFUSED = 3
INFLUXDB = 4
STORE = 5
INTERRUPTED = 130
