"""Kapacitor: the task of a pipeline.

Modules, in the order in which a definition passes them:

- `points`: what a task hands its UDF of each point.
- `variables`: the values that a pipeline gives to the vars of its script.
- `tickscript`: the script of a pipeline, and what can be wrong with a custom one.
- `pipeline.tick`: a link to `tickscripts/pipeline.tick`, the script of every pipeline that names no other.
"""
