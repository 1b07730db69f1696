"""The keeper: watches detection, repairs what it can, runs what is due, and tells when detection is down.

In the order of one look:

- `watch`: asks Kapacitor and InfluxDB what there is, as a `StackSight`.
- `kapacitor`: the part of Kapacitor's API that the keeper uses.
- `certificates`: which of their certificates end soon.
- `last_backup`: how old the last backup is.
- `checks`: findings about what was seen.
- `recovery`: what is to be done next: start a pipeline's task again, catch up, or ask for a restart of Kapacitor.
- `jobs`: trainings, catch-ups or deletions, one of each kind at a time, each in a process of its own.
- `health`: findings as the measurement `health`, and as metrics for Prometheus.
- `load`: how much of a processor the keeper and its jobs take.
- `alarms`: which findings are told, once when they begin and once when they end.
- `incidents`: periods that belong together, as one incident.
- `incident_watch`: reads periods, writes incidents, and has Kapacitor tell them.
- `messengers`: send what is told by HTTP and by mail, until it has arrived.
- `heartbeat`: how the last look went, for the health check of the keeper's container.
- `run`: the loop.

Beside them, `supervisor` runs Kapacitor in its own container, and restarts it when the keeper asks for that.

`checks`, `recovery`, `alarms` and `incidents` read no clock and do no I/O.
"""
