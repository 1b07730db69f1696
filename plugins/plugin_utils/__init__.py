"""Code that the plugins share, for the controller only. Modules share code in module_utils.

- `preflight`: the checks of an inventory and of a host's facts.
- `udfs`: the entries of `kapacitor_udfs`, and how a custom UDF's folder is packed.
- `pipelines`: the checks of `pipelines`, by the package `anomaly`.
- `kapacitor_conf`: the sections of kapacitor.conf for alerts.
- `own_dashboards`: the user's own dashboards.
- `secret_rules`, `secret_files`: which secrets are not fit for use; their files on the controller, and their rotation.
- `certificates`: the stack's own authority, and certificates that are given.
- `image_plan`, `image_record`: where images come from, and the record of where they came from.
- `image_archive`, `image_bom`: what is in an image, and its bill of materials.
- `backup`, `backup_copies`: the archive of a backup, and its copies in other places.
- `redaction`: takes secrets out of texts.
"""
