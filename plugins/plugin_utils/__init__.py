"""Code that the plugins share, for the controller only. Modules share code in module_utils.

- `preflight`: the checks of an inventory and of a host's facts.
- `udfs`: the entries of `kapacitor_udfs`, and how a custom UDF's folder is packed.
- `pipelines`: the checks of `pipelines`, by the package `anomaly`.
- `kapacitor_conf`: the sections of kapacitor.conf for alerts.
- `secret_rules`: which secrets are not fit for use.
"""
