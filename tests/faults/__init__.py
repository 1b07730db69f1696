"""A deployed stack is broken on purpose under a steady stream of points, and what it says is compared with the truth.

In the order of one run:

- `schedule`: which fault strikes when: one after the other, at random, or as a file says.
- `deployed`: a stack of the run's own, deployed by `site.yml`, and its processes.
- `stream`: writes 2,000 points a second, and keeps what InfluxDB does not take, as Telegraf does.
- `breaking`: the faults, each of which begins and ends.
- `undisturbed`: what an undisturbed run says of the stored points, and how the results differ from it.
- `alerts`: what people were told, and how that differs from the periods of the undisturbed run.
- `run`: one fault after the other, and how long recovery took.
- `report`: the table.

`python -m tests.faults` is the entry, which `make test-faults` calls.
"""
