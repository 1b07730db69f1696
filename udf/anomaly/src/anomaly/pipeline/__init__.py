"""The pipeline specification, which drives the training query, the TICKscript, the features, the dashboard and alerts.

Modules, in the order in which an inventory's entry passes them:

- `schema`: the published JSON Schema.
- `validate`: from what people wrote to pipelines, or to messages with a fix.
- `hints`: the names that people may have meant.
- `duration`: durations in InfluxQL's notation.
- `size`: sizes in bytes.
- `timezone`: time zones by their IANA names.
- `bounds`: bounds of a field's values.
- `calendars`: times that mean something: rules, files and public holidays.
- `calendars_file`: those of them that running UDFs follow, in a file of their own.
- `detectors`: what a pipeline may say of its detector.
- `season`: the parts of a season.
- `expression`: arithmetic of fields.
- `filters`: which points a pipeline watches, as conditions on tags.
- `patterns`: names that a pipeline describes instead of listing.
- `result_tags`: the names by which results carry the tags of a series.
- `specification`: a pipeline as a value, with its defaults and its fingerprint.
- `dashboard`: where its dashboard is.
- `links`: the link at the end of an alert's message.
- `source_keys`: the names of a pipeline, compared with those of its source.
- `state`: how much memory the state of its series needs.
- `checks`: rules that JSON Schema cannot express.
- `resolve`: patterns resolved to the names that the source has.

The room needs the standard library, jsonschema and tzdata, re2 for regular expressions, holidays and
recurring-ical-events for calendars, so that the controller can import it. Each is loaded by the first pipeline that
needs it.
"""

from anomaly.pipeline.bounds import Bounds
from anomaly.pipeline.duration import DurationError, format_duration, parse_duration
from anomaly.pipeline.schema import load_schema
from anomaly.pipeline.size import SizeError, format_size, parse_size
from anomaly.pipeline.specification import (
    DEFAULT_MEMORY,
    Alerts,
    Field,
    Fill,
    Periods,
    Pipeline,
    Training,
    canonical_json,
)
from anomaly.pipeline.validate import SpecError, normalize, parse

__all__ = [
    "DEFAULT_MEMORY",
    "Alerts",
    "Bounds",
    "DurationError",
    "Field",
    "Fill",
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
