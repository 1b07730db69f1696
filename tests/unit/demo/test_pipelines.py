"""Pipelines that the demonstration brings along, beside those of the inventory."""

from pathlib import Path
from typing import Any

import pytest

from anomaly.pipeline import normalize
from demo import pipelines
from demo.errors import DemoError
from demo.pipelines import added_pipelines, brought_along
from ingest.heatpump import HEAT_PUMPS


@pytest.fixture
def listed(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Return what gives the inventory a list of pipelines."""

    def has(value: Any) -> None:
        monkeypatch.setattr(pipelines, "inventory_variable", lambda root, inventory, name: value)

    return has


def test_the_pipeline_of_heat_pumps_is_valid_and_fits_the_process() -> None:
    mapping = brought_along("heatpump")
    assert mapping is not None
    (pipeline,) = normalize([mapping])
    assert pipeline.name == HEAT_PUMPS.name
    assert set(pipeline.fields) == set(HEAT_PUMPS.fields)
    assert pipeline.group_by == (HEAT_PUMPS.name,)
    assert brought_along("printer") is None


@pytest.mark.parametrize("others", [None, [], [{"name": "rooms"}]])
def test_it_is_added_to_those_of_the_inventory(listed: Any, others: Any) -> None:
    listed(others)
    assert added_pipelines(Path("inventory"), "heatpump") == [*(others or []), brought_along("heatpump")]


def test_an_inventory_that_has_it_stays_as_it_is(listed: Any) -> None:
    listed([{"name": "heatpump", "window": "2m"}])
    assert added_pipelines(Path("inventory"), "heatpump") is None
    assert added_pipelines(Path("inventory"), "printer") is None


def test_a_list_that_is_a_template_is_refused_with_the_fix(listed: Any) -> None:
    listed("{{ of_somewhere }}")
    with pytest.raises(
        DemoError, match=r"not a list, so that nothing can be added to it. Fix: add what .*heatpump.yml"
    ):
        added_pipelines(Path("inventory"), "heatpump")
