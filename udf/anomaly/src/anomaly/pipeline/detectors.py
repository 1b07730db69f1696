"""The detectors that a pipeline may name, as data.

A detector declares itself beside its algorithm (`anomaly.detectors.declaration`), where numpy is at hand. The
controller has no numpy. So `scripts/detector-docs` copies the description of each detector into the published JSON
Schema, and this module reads it there. `tests/unit/anomaly/detectors/test_declaration.py` compares the two.
"""

from collections.abc import Mapping
from copy import deepcopy
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from anomaly.pipeline import schema

# The schema's key `detector` holds the descriptions under this annotation, which validators ignore.
ANNOTATION = "x-detectors"


@dataclass(frozen=True, slots=True, kw_only=True)
class Description:
    """What people and the controller need to know of a detector.

    Attributes:
        name: what a pipeline's `detector` says.
        summary: the method, in one line.
        sees: which anomalies the detector finds.
        misses: which anomalies it does not find.
        remembers: what its followers keep of a series; empty where they keep nothing.
        series_bytes: about how many bytes they keep of a series, rounded up, without those for each feature.
        feature_bytes: about how many bytes they keep of each feature of a series with a season of a day.
        parameters: the JSON Schema of each parameter by its name, with `description`, `type` and `default`.
        part_bytes: how many bytes more they keep of each feature for each part of a season beyond those of a day; 0
            where the detector does not look at the pipeline's `seasonality`.
    """

    name: str
    summary: str
    sees: str
    misses: str
    remembers: str = ""
    series_bytes: int = 0
    feature_bytes: int = 0
    parameters: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    part_bytes: int = 0

    @property
    def defaults(self) -> dict[str, Any]:
        """The parameters' defaults by name."""
        return {name: deepcopy(rules["default"]) for name, rules in self.parameters.items()}

    @property
    def seasonal(self) -> bool:
        """Whether the detector looks at the pipeline's `seasonality`."""
        return self.part_bytes > 0

    @property
    def per_series(self) -> bool:
        """Whether a pipeline may ask for a model for each series."""
        return "models" in self.parameters

    def annotation(self) -> dict[str, Any]:
        """Return the description as the schema keeps it: parameters by name, as the schema has their rules elsewhere.

        Returns:
            A mapping for JSON, from which `descriptions` makes an equal description.
        """
        return {
            "summary": self.summary,
            "sees": self.sees,
            "misses": self.misses,
            "remembers": self.remembers,
            "series_bytes": self.series_bytes,
            "feature_bytes": self.feature_bytes,
            "parameters": list(self.parameters),
            "part_bytes": self.part_bytes,
        }


def descriptions() -> Mapping[str, Description]:
    """Read the descriptions of all detectors in the published schema.

    Returns:
        Descriptions by the detectors' names, in the order in which the schema names them.
    """
    return _descriptions(str(schema.PATH))


@cache
def _descriptions(path: str) -> Mapping[str, Description]:
    # The path is a parameter so that the cache holds no other schema's descriptions.
    properties = schema.load_schema()["properties"]
    rules = properties["parameters"]["properties"]
    return {
        name: Description(
            name=name, **{**annotation, "parameters": {each: rules[each] for each in annotation["parameters"]}}
        )
        for name, annotation in properties["detector"][ANNOTATION].items()
    }


def seasonal_detectors() -> tuple[str, ...]:
    """Return the names of the detectors that look at a pipeline's `seasonality`."""
    return tuple(name for name, description in descriptions().items() if description.seasonal)
