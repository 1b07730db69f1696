"""What all tests of kapacitor_udf share."""

import os

from hypothesis import settings

# UDFs are started with Python's own buffering, as Kapacitor starts them.
os.environ.pop("PYTHONUNBUFFERED", None)

# How long an example takes says how busy the machine is.
settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")
