"""Real servers as processes of this machine, and runs of playbooks, for tests and benchmarks.

`images` knows the images that scripts/test-images builds, `binaries` takes a program out of one, and `daemon` runs it
with its log. `kapacitord`, `influxd`, `server` (of UDFs) and `console` are the servers. `playbook` runs
ansible-playbook with its log, and `waiting` says how often a condition is asked for.
"""
