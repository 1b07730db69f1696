"""Kapacitor: the TICKscript of a pipeline and its alerts."""
