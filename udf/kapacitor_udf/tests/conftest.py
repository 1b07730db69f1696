"""What all tests of kapacitor_udf share."""

import os

from hypothesis import HealthCheck, settings

# UDFs are started with Python's own buffering, as Kapacitor starts them.
os.environ.pop("PYTHONUNBUFFERED", None)

# How long an example takes, or its data take to be drawn, says how busy the machine is.
settings.register_profile("untimed", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("untimed")
