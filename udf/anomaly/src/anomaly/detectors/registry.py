"""All detectors, by the name that a pipeline gives.

Adding a detector touches its own module, that module's test, and one line of `MODULES`; `scripts/detector-docs` then
writes what the JSON Schema and docs/detectors.md say of it. A module is imported when its detector is asked for.
"""

from collections.abc import Iterator, Mapping
from importlib import import_module
from typing import Any

from anomaly.detectors.base import Detector
from anomaly.detectors.declaration import Arrays, Declaration, FitRequest, Fitted

# Each detector's name, and the module that declares it; in the order in which people read of them.
MODULES = {
    "ensemble": "anomaly.detectors.ensemble",
    "isolation_forest": "anomaly.detectors.isolation_forest",
    "gap": "anomaly.detectors.gap",
    "slow_gap": "anomaly.detectors.slow_gap",
    "seasonal": "anomaly.detectors.seasonal",
    "seasonal_gap": "anomaly.detectors.seasonal_gap",
    "robust_z": "anomaly.detectors.robust_z",
    "knn": "anomaly.detectors.knn",
    "half_space_trees": "anomaly.detectors.half_space_trees",
}
NAMES = tuple(MODULES)


def declaration(name: str) -> Declaration:
    """Find a detector.

    Args:
        name: what a pipeline's `detector` says.

    Returns:
        Its declaration.

    Raises:
        ValueError: no detector has this name.
    """
    if name not in MODULES:
        raise ValueError(f"{name!r} is not a detector: known are {', '.join(MODULES)}")
    declared: Declaration = import_module(MODULES[name]).DECLARATION
    return declared


def declarations() -> Iterator[Declaration]:
    """Yield the declarations of all detectors, in the order of `MODULES`."""
    for name in MODULES:
        yield declaration(name)


def fit(name: str, request: FitRequest) -> Fitted:
    """Fit a detector.

    Args:
        name: what a pipeline's `detector` says.
        request: the history and all else that the fit needs.

    Returns:
        The fitted detector, and the library's own object where the request asks for it.
    """
    return declaration(name).fit(request)


def load(name: str, arrays: Arrays) -> Detector:
    """Make a fitted detector from its arrays.

    Args:
        name: what a pipeline's `detector` says.
        arrays: what `Detector.arrays` returned, and perhaps others.

    Returns:
        A detector that scores as the stored one did.

    Raises:
        KeyError: an array is missing.
        ValueError: the arrays do not fit, or no detector has this name.
    """
    return declaration(name).load(arrays)


def parameter_schemas() -> Mapping[str, Mapping[str, Any]]:
    """Collect the parameters of all detectors.

    Returns:
        The JSON Schema of each parameter by its name. One name is one parameter, whichever detector has it.

    Raises:
        ValueError: two detectors declare one name differently.
    """
    schemas: dict[str, Mapping[str, Any]] = {}
    for declared in declarations():
        for name, rules in declared.description.parameters.items():
            if schemas.setdefault(name, rules) != rules:
                raise ValueError(
                    f"the parameter {name!r} of {declared.name} differs from that of another detector: declare it "
                    "once and share it, or choose another name"
                )
    return schemas
