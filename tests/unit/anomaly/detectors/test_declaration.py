"""A detector is its declaration: its name, its parameters and its example, and that one line registers it."""

import doctest
import json
import re
from collections.abc import Iterator
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from jsonschema import Draft202012Validator

from anomaly.detectors import registry
from anomaly.detectors.published import with_detectors
from anomaly.models.store import Store
from anomaly.pipeline import Pipeline, SpecError, load_schema, normalize, schema
from anomaly.training.fit import train
from tests.unit.anomaly import printers
from tests.unit.anomaly.detectors import made_up

NAMES = list(registry.MODULES)


def one(detector: str, **parameters: Any) -> Pipeline:
    return normalize([{**printers.PIPELINE.as_dict(), "detector": detector, "parameters": parameters}])[0]


@pytest.fixture
def registered(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    """Registers the made-up detector in one line, and writes the schema as `scripts/detector-docs` would."""
    monkeypatch.setitem(registry.MODULES, "made_up", made_up.__name__)
    path = tmp_path / "pipeline.schema.json"
    path.write_text(json.dumps(with_detectors(load_schema())), encoding="utf-8")
    monkeypatch.setattr(schema, "PATH", path)
    yield


@pytest.mark.parametrize("name", NAMES)
def test_a_declaration_has_the_name_under_which_it_is_registered(name: str) -> None:
    assert registry.declaration(name).name == name


@pytest.mark.parametrize("name", NAMES)
def test_each_parameter_is_described_and_its_default_fits(name: str) -> None:
    for rules in registry.declaration(name).description.parameters.values():
        assert {"description", "type", "default"} <= rules.keys()
        Draft202012Validator.check_schema(rules)
        Draft202012Validator(rules).validate(rules["default"])


@pytest.mark.parametrize("name", NAMES)
def test_a_detector_cites_its_source_and_its_example_runs(name: str) -> None:
    module = import_module(registry.MODULES[name])
    assert re.search(r"^References?: ", module.__doc__ or "", flags=re.MULTILINE)
    assert "\nExample:\n" in (module.__doc__ or "")
    outcome = doctest.testmod(module)
    assert outcome.attempted >= 3
    assert outcome.failed == 0


def test_a_detector_that_is_registered_in_one_line_is_trained_stored_and_loaded(
    registered: None, tmp_path: Path
) -> None:
    pipeline = one("made_up", reach=2)
    assert pipeline.parameters == {"reach": 2}
    assert pipeline.seasonality == "1d"
    model = train(pipeline, printers.windows(printers.clean(1, 8_000)), "v", seed=0).model
    store = Store(tmp_path / "models", pipeline.name)
    store.write(model)
    loaded = store.load("v", pipeline)
    values = np.array([[220.0, 0.4, 90.0, 0.3, 28.0, 0.1], [220.0, 0.4, 120.0, 0.3, 28.0, 0.1]])
    usual, hot = printers.judge(loaded, ("printer-1",), values)
    assert [usual, hot] == printers.judge(model, ("printer-1",), values)
    assert (usual.severity < 50, hot.severity > 75) == (True, True)
    assert hot.contribution[1] > 0.9


def test_the_parameters_of_a_registered_detector_are_checked(registered: None) -> None:
    assert one("made_up").parameters == {"reach": 1.5}
    with pytest.raises(SpecError, match=r"parameters\.reach: 11 is out of range: write at most 10, such as `2`"):
        one("made_up", reach=11)
    with pytest.raises(SpecError, match=r"parameters.trees: 50 is not a parameter of made_up \(it has reach\): remove"):
        one("made_up", trees=50)
    with pytest.raises(SpecError, match=r"parameters.reach: 2 is not a parameter of gap \(it has none\): remove it"):
        one("gap", reach=2)


def test_a_detector_that_is_not_registered_is_unknown() -> None:
    with pytest.raises(SpecError, match='detector: "made_up" is none of ensemble, isolation_forest'):
        one("made_up")


def test_one_name_is_one_parameter_in_all_detectors(registered: None, monkeypatch: pytest.MonkeyPatch) -> None:
    other = replace(made_up.DECLARATION.description, parameters={"trees": {"type": "string", "default": "oak"}})
    monkeypatch.setattr(made_up, "DECLARATION", replace(made_up.DECLARATION, description=other))
    with pytest.raises(ValueError, match="the parameter 'trees' of made_up differs from that of another detector"):
        registry.parameter_schemas()


@pytest.mark.parametrize("name", ["gap", "knn"])
def test_the_parameter_models_goes_with_models_for_each_series(name: str) -> None:
    declaration = registry.declaration(name)
    least_bytes = None if declaration.least_bytes else lambda parameters, width: 8 * width
    with pytest.raises(ValueError, match=f"{name} (has|lacks) the parameter 'models', which goes with"):
        replace(declaration, least_bytes=least_bytes)
