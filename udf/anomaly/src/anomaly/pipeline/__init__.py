"""The pipeline specification: the one description that drives the training query, the TICKscript, the features, the
dashboard and the alert rules.

Needs the standard library and jsonschema, so that the controller can import it; jsonschema is loaded by the first
check.
"""

from anomaly.pipeline.duration import DurationError, format_duration, parse_duration
from anomaly.pipeline.schema import load_schema
from anomaly.pipeline.specification import Alerts, Field, Periods, Pipeline, Training, canonical_json
from anomaly.pipeline.validate import SpecError, normalize, parse

__all__ = [
    "Alerts",
    "DurationError",
    "Field",
    "Periods",
    "Pipeline",
    "SpecError",
    "Training",
    "canonical_json",
    "format_duration",
    "load_schema",
    "normalize",
    "parse",
    "parse_duration",
]
