"""The pipeline specification: the one description that drives the training query, the TICKscript, the features, the
dashboard and the alert rules.

Needs the standard library, and jsonschema only where people's input is checked (`normalize`). Serving reads what
`canonical_json` wrote with `parse`, which does not import jsonschema.
"""

from anomaly.spec.duration import DurationError, format_duration, parse_duration
from anomaly.spec.pipeline import Periods, Pipeline, Training, canonical_json, load_schema
from anomaly.spec.validate import SpecError, normalize, parse

__all__ = [
    "DurationError",
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
