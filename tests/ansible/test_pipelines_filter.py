"""The filters over pipelines: what anomaly.pipeline says, and a spread over hosts that is even and stable."""

from __future__ import annotations

import base64
import json
import re
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from ansible.errors import AnsibleFilterError
from ansible_collections.influx_anomaly.stack.plugins.filter.pipelines import (
    FilterModule,
    assign,
    canonical_json,
    kapacitor_memory,
    misfit,
    model_findings,
    normalize,
    self_training,
    task,
)
from ansible_collections.influx_anomaly.stack.plugins.plugin_utils.pipelines import pipeline_problems
from hypothesis import given
from hypothesis import strategies as st

# From where the filters take it.
from anomaly import pipeline as specification
from anomaly.models.manifest import SCHEMA
from tests.ansible.inventories import PIPELINE


def named(*names: str, **more: Any) -> list[dict[str, Any]]:
    return [{**PIPELINE, "name": name, **more} for name in names]


def test_the_memory_of_kapacitor_follows_from_the_pipelines() -> None:
    assert kapacitor_memory([]) == "768m"
    assert kapacitor_memory(named("a", "b")) == "1536m"
    assert kapacitor_memory([*named("a"), *named("b", memory="1GiB")]) == "2304m"


@pytest.mark.parametrize("wrong", [None, "x", [{"name": "a"}, {}]])
def test_pipelines_that_are_not_valid_do_not_hide_behind_the_memory_of_kapacitor(wrong: object) -> None:
    assert kapacitor_memory(wrong) == f"{768 + 384 * (2 if isinstance(wrong, list) else 0)}m"


def test_a_valid_list_has_no_problems() -> None:
    assert pipeline_problems([PIPELINE]) == []
    assert normalize([PIPELINE])[0]["retention_policy"] == "autogen"


def test_an_invalid_list_is_refused_with_the_key() -> None:
    assert any("window" in line for line in pipeline_problems([{**PIPELINE, "window": "x"}]))
    with pytest.raises(AnsibleFilterError, match="window"):
        normalize([{**PIPELINE, "window": "x"}])


def test_a_specification_is_safe_inside_a_tickscript() -> None:
    text = canonical_json({**PIPELINE, "measurement": "it's"})
    assert "'" not in text
    assert json.loads(text)["measurement"] == "it's"


def fitting_manifest() -> dict[str, Any]:
    return {
        "schema": SCHEMA,
        "specification": normalize([PIPELINE])[0],
        "fingerprint": specification.normalize([PIPELINE])[0].fingerprint,
    }


def test_a_model_does_not_fit_what_changes_scores() -> None:
    manifest = fitting_manifest()
    assert misfit(manifest, {**PIPELINE, "enabled": False}) == ""
    assert misfit(manifest, {**PIPELINE, "window": "20s"}) == 'window: "10s" in the model, "20s" in the pipeline'
    assert "which computes features or scores otherwise" in misfit({**manifest, "schema": SCHEMA - 1}, PIPELINE)


def slurped(manifest: dict[str, Any], **changes: Any) -> dict[str, Any]:
    content = base64.b64encode(json.dumps(manifest).encode()).decode()
    return {"item": {**PIPELINE, **changes}, "content": content}


def test_a_model_that_fits_is_found_in_order() -> None:
    (finding,) = model_findings([slurped(fitting_manifest())], every=True)

    assert (finding["ok"], finding["note"]) == (True, False)
    assert finding["what"] == f"Pipeline {PIPELINE['name']} has a model that fits it"


def test_a_model_that_does_not_fit_is_a_problem_that_names_the_difference() -> None:
    (finding,) = model_findings([slurped(fitting_manifest(), window="20s")], every=False)

    assert (finding["ok"], finding["note"]) == (False, False)
    assert finding["problem"] == 'window: "10s" in the model, "20s" in the pipeline. Fix: run train.yml'


@pytest.mark.parametrize("every", [True, False])
def test_a_pipeline_without_a_model_is_a_problem_where_every_pipeline_needs_one(every: bool) -> None:
    (finding,) = model_findings([{"item": PIPELINE, "failed": True}], every)

    assert (finding["ok"], finding["note"]) == (False, not every)
    assert finding["problem"] == "it has none yet. Fix: run train.yml"


def test_the_trainer_trains_enabled_pipelines_that_ask_for_it() -> None:
    asking = {"training": {"on_drift": True}}
    pipelines = [*named("a"), *named("b", **asking), *named("c", enabled=False, **asking)]
    assert [pipeline["name"] for pipeline in self_training(pipelines)] == ["b"]


def test_a_missing_tickscript_names_the_pipeline(tmp_path: Path) -> None:
    custom = {**PIPELINE, "tickscript": "mine.tick"}
    message = f'{PIPELINE["name"]}: tickscript: "mine.tick" is not there: write the TICKscript {tmp_path}/mine.tick'
    with pytest.raises(AnsibleFilterError, match=re.escape(message)):
        task(custom, "anomaly", "anomaly", str(tmp_path), "a comment")


def test_all_filters_are_offered() -> None:
    assert set(FilterModule().filters()) == {
        "anomaly_validate",
        "anomaly_normalize",
        "anomaly_kapacitor_memory",
        "anomaly_self_training",
        "anomaly_misfit",
        "anomaly_model_findings",
        "anomaly_canonical_json",
        "anomaly_task",
        "anomaly_assign",
    }


def test_a_wish_is_granted() -> None:
    pipelines = [*named("a", kapacitor="kap2"), *named("b")]
    assert assign(pipelines, ["kap1", "kap2"]) == {"a": "kap2", "b": "kap1"}


def test_a_wish_that_cannot_be_granted() -> None:
    with pytest.raises(AnsibleFilterError, match=r"a: kapacitor: 'kap9' is not in the group.*one of kap1"):
        assign(named("a", kapacitor="kap9"), ["kap1"])


def test_no_hosts() -> None:
    assert assign([], []) == {}
    with pytest.raises(AnsibleFilterError, match="no host is in the group kapacitor"):
        assign(named("a"), [])


NAMES = st.sets(st.text("abcdefgh", min_size=1, max_size=4), max_size=30).map(sorted)
HOSTS = st.sets(st.sampled_from([f"kap{number}" for number in range(6)]), min_size=1).map(sorted)


@given(NAMES, HOSTS, st.randoms())
def test_the_spread_is_even_and_does_not_depend_on_order(names: list[str], hosts: list[str], random: Any) -> None:
    found = assign(named(*names), hosts)
    loads = Counter(dict.fromkeys(hosts, 0))
    loads.update(found.values())
    assert max(loads.values()) - min(loads.values()) <= 1
    shuffled_names, shuffled_hosts = list(names), list(hosts)
    random.shuffle(shuffled_names)
    random.shuffle(shuffled_hosts)
    assert assign(named(*shuffled_names), shuffled_hosts) == found


@given(NAMES, HOSTS)
def test_fixed_pipelines_count_as_load(names: list[str], hosts: list[str]) -> None:
    fixed = named(*(f"fixed-{number}" for number in range(len(names))), kapacitor=hosts[0])
    found = assign([*fixed, *named(*names)], hosts)
    free = Counter(found[name] for name in names)
    if len(hosts) > 1:
        # As many are fixed as are free: the others get them all before the first host gets one.
        assert free[hosts[0]] <= 1


def test_a_new_pipeline_moves_few() -> None:
    hosts = ["kap1", "kap2", "kap3"]
    names = [f"pipeline-{number}" for number in range(30)]
    before = assign(named(*names), hosts)
    moved = []
    for number in range(30, 60):
        after = assign(named(*names, f"pipeline-{number}"), hosts)
        moved.append(sum(before[name] != after[name] for name in names))
    assert sum(moved) / len(moved) <= 3
