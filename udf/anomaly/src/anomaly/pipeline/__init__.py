"""The pipeline specification, which drives the training query, the TICKscript, the features, the dashboard and alerts.

Modules, in the order in which an inventory's entry passes them:

- `schema`: the published JSON Schema.
- `validate`: from what people wrote to pipelines, or to messages with a fix.
- `duration`: durations in InfluxQL's notation.
- `size`: sizes in bytes.
- `detectors`: what a pipeline may say of its detector.
- `season`: the parts of a season.
- `specification`: a pipeline as a value, with its defaults and its fingerprint.
- `state`: how much memory the state of its series needs.
- `checks`: rules that JSON Schema cannot express.

The room needs the standard library and jsonschema, so that the controller can import it. The first check loads
jsonschema.
"""

from anomaly.pipeline.duration import DurationError, format_duration, parse_duration
from anomaly.pipeline.schema import load_schema
from anomaly.pipeline.size import SizeError, format_size, parse_size
from anomaly.pipeline.specification import (
    DEFAULT_MEMORY,
    Alerts,
    Field,
    Periods,
    Pipeline,
    Training,
    canonical_json,
)
from anomaly.pipeline.validate import SpecError, normalize, parse

__all__ = [
    "DEFAULT_MEMORY",
    "Alerts",
    "DurationError",
    "Field",
    "Periods",
    "Pipeline",
    "SizeError",
    "SpecError",
    "Training",
    "canonical_json",
    "format_duration",
    "format_size",
    "load_schema",
    "normalize",
    "parse",
    "parse_duration",
    "parse_size",
]
