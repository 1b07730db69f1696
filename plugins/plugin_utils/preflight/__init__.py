"""Checks of an inventory and of a host's facts. The role preflight collects all their problems and fails once.

In the order in which data pass them:

- `inventory`: hosts and groups as the checks see them; `problem`: one problem and its message.
- `variables`, `secret`, `values`: names and types, secrets, and values of single variables.
- `topology`, `archive`, `udfs`, `alerts`: groups and addresses, image archives, custom UDFs, handlers of alerts.
- `checks`: all checks of an inventory in their order.
- `renamed`, `tickscripts`, `dashboards`: old names of variables, scripts of pipelines, and the user's own dashboards.
- `backups`: the schedule of backups.
- `grafana_alerts`: alert rules and contact points of Grafana.
- `wanted`: a host's requirements, out of its variables; `host`: the checks of a host against its requirements, with
  those of its `engine`, its `limits`, and the `versions` that wrote its data.
"""
