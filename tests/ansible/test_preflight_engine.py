"""Versions of engines as they call them."""

from __future__ import annotations

from ansible_collections.influx_anomaly.stack.plugins.plugin_utils.preflight.engine import numbers


def test_the_leading_numbers_of_a_version_count() -> None:
    assert numbers("20.10.24+dfsg1") == (20, 10, 24)
    assert numbers("dev") == ()
