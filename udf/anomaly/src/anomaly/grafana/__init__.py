"""Dashboards and alert rules of Grafana, made from pipelines, as the JSON that Grafana's file provisioning reads.

In the order in which a dashboard is made:

- `queries`: InfluxQL with Grafana's variables: each query keeps to the time shown, and asks for no more than is shown.
- `panels`: panels, their places, and the frame of a dashboard.
- `pipeline_dashboard`: the dashboard of one pipeline.
- `stack_dashboards`: the overview of all pipelines, and the health of detection.
- `alert_rules`: alert rules that look at the same results, and whom they tell.

Names are quoted by `anomaly.influxdb.influxql`. The room needs no numpy, as the controller imports it.
"""
