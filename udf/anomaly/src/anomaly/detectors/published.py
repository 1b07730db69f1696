"""What is published of the detectors: their part of the JSON Schema, and the table in docs/detectors.md.

Both follow from the declarations. `scripts/detector-docs` writes them, and
`tests/unit/anomaly/detectors/test_declaration.py` compares them.
"""

from collections.abc import Mapping
from copy import deepcopy
from typing import Any

from anomaly.detectors.registry import declarations, parameter_schemas
from anomaly.pipeline.detectors import ANNOTATION

_COLUMNS = ("sees", "misses", "remembers")


def with_detectors(schema: Mapping[str, Any]) -> dict[str, Any]:
    """Put the detectors into a pipeline's JSON Schema.

    Args:
        schema: the schema, whatever it says of detectors.

    Returns:
        A copy that names all detectors, describes them, and has the rules of all their parameters.
    """
    published: dict[str, Any] = deepcopy(dict(schema))
    descriptions = [declared.description for declared in declarations()]
    properties = published["properties"]
    properties["detector"]["enum"] = [each.name for each in descriptions]
    properties["detector"][ANNOTATION] = {each.name: each.annotation() for each in descriptions}
    properties["parameters"]["properties"] = {name: dict(rules) for name, rules in parameter_schemas().items()}
    return published


def table() -> str:
    """Write the table of all detectors.

    Returns:
        Markdown, which ends with a line break.
    """
    rows = [("detector", *_COLUMNS), ("---",) * (1 + len(_COLUMNS))]
    for declared in declarations():
        description = declared.description
        cells = (getattr(description, column) or "nothing" for column in _COLUMNS)
        rows.append((f"`{description.name}`", *cells))
    return "".join(f"| {' | '.join(row)} |\n" for row in rows).replace("| --- | --- | --- | --- |", "|---|---|---|---|")
