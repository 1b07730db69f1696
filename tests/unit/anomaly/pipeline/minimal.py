"""A pipeline with the keys that it must have, and what is wrong with changed ones."""

from collections.abc import Mapping
from typing import Any

import pytest

from anomaly.pipeline import (
    Pipeline,
    SpecError,
    normalize,
)

MINIMAL: dict[str, Any] = {
    "name": "printer",
    "database": "printer",
    "measurement": "temperature",
    "fields": ["hotend", "bed"],
    "window": "10s",
}


def problems(*changes: Mapping[str, Any]) -> list[str]:
    with pytest.raises(SpecError) as caught:
        normalize([{**MINIMAL, "name": f"p{index}", **change} for index, change in enumerate(changes)])
    return caught.value.problems


def one(**changes: Any) -> Pipeline:
    return normalize([{**MINIMAL, **changes}])[0]
