"""Dashboards and alert rules against Grafana's own schema, which grafana-foundation-sdk is generated from.

Its models drop what the schema does not know. So what comes back whole is known to Grafana: a misspelt key, or one that
is at a wrong place, would be missing. Grafana itself ignores such a key without a word.
"""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from grafana_foundation_sdk.cog import plugins
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models.alerting import ContactPoint, Rule
from grafana_foundation_sdk.models.dashboard import Dashboard

from anomaly.grafana.alert_rules import RULES, alerting
from anomaly.grafana.panels import Json
from tests.unit.anomaly.grafana.dashboards import PIPELINES, dashboards

ALL = dashboards()
# What the schema leaves to data sources: the query of an annotation, and how a variable's query is shown.
OF_DATA_SOURCES = (
    *(f".annotations.list.{key}" for key in ("query", "target", "tagsColumn", "textColumn", "timeEndColumn")),
    ".annotations.list.titleColumn",
    ".templating.list.definition",
)


@pytest.fixture(scope="module", autouse=True)
def registered() -> None:
    plugins.register_default_plugins()


def known(model: Any, content: Json) -> Json:
    """Return what Grafana's schema keeps of a document."""
    found: Json = json.loads(json.dumps(model.from_json(content), cls=JSONEncoder))
    return found


def lost(content: Any, kept: Any, path: str = "") -> Iterator[str]:
    """Yield the paths of what is not kept as it was."""
    if isinstance(content, dict) and isinstance(kept, dict):
        for key, value in content.items():
            yield from lost(value, kept.get(key), f"{path}.{key}")
    elif isinstance(content, list) and isinstance(kept, list) and len(content) == len(kept):
        for one, other in zip(content, kept, strict=True):
            yield from lost(one, other, path)
    elif content != kept:
        yield path


@pytest.mark.parametrize("name", ALL)
def test_every_key_of_a_dashboard_is_known_to_grafana(name: str) -> None:
    unknown = [path for path in lost(ALL[name], known(Dashboard, ALL[name])) if not path.startswith(OF_DATA_SOURCES)]
    assert unknown == []


def test_a_misspelt_key_of_a_panel_is_found() -> None:
    dashboard = json.loads(json.dumps(ALL["printer"]))
    charts = [panel for panel in dashboard["panels"] if panel["type"] == "timeseries"]
    charts[0]["fieldConfig"]["defaults"]["custom"]["lineWidht"] = 2
    assert list(lost(dashboard, known(Dashboard, dashboard)))[-1].endswith(".custom.lineWidht")


@pytest.mark.parametrize("name", RULES)
def test_every_key_of_a_rule_is_known_to_grafana(name: str) -> None:
    chosen = [{"rule": name, "receiver": "oncall"}]
    (rule,) = alerting(chosen, [], PIPELINES, "stack", "Anomalies")["groups"][0]["rules"]
    assert list(lost(rule, known(Rule, rule))) == []


def test_every_key_of_a_contact_point_is_known_to_grafana() -> None:
    hook = {"name": "oncall", "type": "webhook", "settings": {"url": "https://hook.example"}}
    (contact,) = alerting([], [hook], PIPELINES, "stack", "Anomalies")["contactPoints"]
    for receiver in contact["receivers"]:
        assert list(lost(receiver, known(ContactPoint, receiver))) == []
