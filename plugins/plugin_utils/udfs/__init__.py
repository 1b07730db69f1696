"""Custom UDFs: the entries of the inventory's `kapacitor_udfs`, and how their folders are packed.

- `entries`: an entry with its defaults filled in, and what follows from it for kapacitor.conf.
- `bundle`: packs a UDF's folder and its packages into one archive.
"""
