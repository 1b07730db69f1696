"""Every query of panels, variables, annotations and alert rules on a real InfluxDB, with Grafana's variables filled in.

The results are those that the product's code makes. Each query must be accepted, keep to as many rows as can be shown,
and have the columns that its panel names.
"""

import re
import time
from collections.abc import Iterator, Mapping
from types import SimpleNamespace
from typing import Any, cast

import pytest

from anomaly.grafana.alert_rules import RULES
from anomaly.grafana.panels import Json
from anomaly.grafana.queries import MOST_ROWS, failing_first
from anomaly.influxdb.client import SeriesChunk
from anomaly.influxdb.lines import line
from anomaly.keeper.incident_watch import IncidentSettings, IncidentWatch
from anomaly.keeper.kapacitor import KapacitorClient
from anomaly.models.model import Model, Verdict
from anomaly.pipeline import Pipeline, canonical_json
from anomaly.scoring.notices import CLOCK, Notice
from anomaly.scoring.periods import NO_DATA, Period
from anomaly.scoring.results import Fields, Result, late_result, notice_result, period_result, results, series_tags
from anomaly.scoring.scorer import ScoredWindow
from anomaly.serving.udf import declaration
from daemons.influxd import Influxd
from kapacitor_udf.testing import Harness
from tests.unit.anomaly.grafana.dashboards import PIPELINES, dashboards, queries

pytestmark = pytest.mark.containers

SECOND_NS = 1_000_000_000
MINUTES = 30
MODEL = cast("Model", SimpleNamespace(version="20240101T000000Z", threshold=lambda severity: severity / 10))
MODEL_AGE_S = 100 * 86_400
# Values with what ends a string, an identifier or a regular expression.
VALUES = ("p.1/x (a+b) 'it\"s'", "p1")
DASHBOARDS = dashboards()
ASKED = [
    pytest.param(name, title, query, id=f"{name}: {title} {at}")
    for name, found in DASHBOARDS.items()
    for at, (title, query) in enumerate(queries(found))
]


@pytest.fixture(scope="module")
def now_ns() -> int:
    return time.time_ns() // (60 * SECOND_NS) * 60 * SECOND_NS


def stored(pipeline: Pipeline, now_ns: int) -> Iterator[Result]:
    """Yield half an hour of results of two series, if the pipeline has any tags, else of one."""
    fields = len(pipeline.fields)
    metrics = {}
    with Harness(declaration(), options={"spec": canonical_json(pipeline)}) as harness:
        for what in ("scored windows", "unscored windows", "future points", "late points", "too old points"):
            harness.handler.events.add(what, 1)
        harness.tick()
        metrics = {name: value for name, value in harness.metrics()[0].fields.items() if value is not None}
    for value in VALUES if pipeline.group_by else VALUES[:1]:
        key = (value,) * len(pipeline.group_by)
        for minute in range(MINUTES):
            begin_ns = now_ns - minute * 60 * SECOND_NS
            verdict = Verdict(7.0, 80.0, 1.0, (5.0,) * fields, (1.0,) * fields, (4.0,) * fields, (1 / fields,) * fields)
            yield from results(pipeline, key, ScoredWindow(begin_ns, MODEL, verdict, anomalous=True, periods=[]))
            drift: Fields = {"psi": 0.3, "above": 0.1, "filled": 0.9, "drifted": 1, "model": MODEL.version}
            yield Result("drift", series_tags(pipeline, key), begin_ns, drift)
            yield late_result(pipeline, key, begin_ns, 3, now_ns)
        for age, state, reason in ((300, "closed", "a field"), (200, "open", "a field"), (100, "open", NO_DATA)):
            begin_ns = now_ns - age * SECOND_NS
            period = Period(begin_ns, begin_ns + 60 * SECOND_NS, state, 9.0, 90.0, 2, reason)
            yield period_result(pipeline, key, period, MODEL)
        yield notice_result(
            pipeline, key, Notice(CLOCK, now_ns - 60 * SECOND_NS, now_ns, "open", "2 points are ahead", 2)
        )
    for minute in range(MINUTES):
        counted = {
            name: value + MINUTES - minute if isinstance(value, int | float) and not isinstance(value, bool) else value
            for name, value in metrics.items()
        }
        text: Fields = {"model": MODEL.version, "model_age_s": MODEL_AGE_S, "last_error": "none"}
        yield Result(
            "udf",
            {"udf": "anomaly", "task": pipeline.name, "node": "n"},
            now_ns - minute * 60 * SECOND_NS,
            {**counted, **text},
        )
    for is_ok, check in ((1, "task"), (0, "model")):
        tags = {"check": check, "pipeline": pipeline.name}
        yield Result("health", tags, now_ns, {"ok": is_ok, "text": "" if is_ok else "there is no model"})


@pytest.fixture(scope="module")
def database(influxd_binary: Any, tmp_path_factory: pytest.TempPathFactory, now_ns: int) -> Iterator[Influxd]:
    with Influxd(influxd_binary, tmp_path_factory.mktemp("dashboards") / "influxdb") as influxd:
        influxd.create("anomaly")
        influxd.client.write([line(each) for pipeline in PIPELINES for each in stored(pipeline, now_ns)], "anomaly")
        settings = IncidentSettings("stack", "anomaly")
        IncidentWatch(influxd.client, cast("KapacitorClient", None), settings, print).look(PIPELINES, set(), now_ns)
        yield influxd


def asked(database: Influxd, query: str, now_ns: int, variables: Mapping[str, str]) -> list[SeriesChunk]:
    """Ask with Grafana's variables filled in, as Grafana does it, for the last day in intervals of five minutes."""
    begin_ms, end_ms = (now_ns // 1_000_000 + more for more in (-86_400_000, 60_000))
    filled = query.replace("$timeFilter", f"time >= {begin_ms}ms and time <= {end_ms}ms")
    filled = filled.replace("$__interval", "5m")
    for name, value in variables.items():
        escaped = value if value == ".*" else re.sub(r"([\\^$*+?.()|\[\]{}/])", r"\\\1", value)
        filled = filled.replace(f"${name}", escaped)
    return list(database.client.query(filled, "anomaly"))


EVERYTHING = {"pipeline": ".*", **{f"tag{number}": ".*" for number in range(1, 5)}}


def panel_of(name: str, title: str, query: str) -> Json | None:
    """Return the panel that a query is of; None for a variable or an annotation."""
    for panel in DASHBOARDS[name]["panels"]:
        if panel["title"] == title and any(target["query"] == query for target in panel["targets"]):
            return cast("Json", panel)
    return None


@pytest.mark.parametrize(("name", "title", "query"), ASKED)
def test_a_query_has_the_rows_that_its_panel_needs(
    database: Influxd, now_ns: int, name: str, title: str, query: str
) -> None:
    chunks = asked(database, query, now_ns, EVERYTHING)

    panel = panel_of(name, title, query)
    columns = {column for chunk in chunks for column in [*chunk.columns, *chunk.tags]}
    rows = [row for chunk in chunks for row in chunk.rows]
    assert rows
    if panel is None:
        assert title.startswith(("variable ", "annotation "))
        assert title.startswith("variable ") or {"time", "end_ms", "state"} <= columns
        return
    (target,) = (target for target in panel["targets"] if target["query"] == query)
    if target["resultFormat"] == "table":
        named = {
            override["matcher"]["options"].replace("Time", "time") for override in panel["fieldConfig"]["overrides"]
        }
        assert named - {"begin_ms", "end_ms"} <= columns
        assert len(rows) <= 200
    else:
        assert len(chunks) <= 20
        assert len(rows) <= 20 * 24 * 12
        for at, column in enumerate(chunks[0].columns[1:], 1):
            assert any(isinstance(row[at], int | float) for chunk in chunks for row in chunk.rows), column


@pytest.mark.parametrize("pipeline", PIPELINES[:2], ids=[pipeline.name for pipeline in PIPELINES[:2]])
@pytest.mark.parametrize("value", VALUES)
def test_a_choice_shows_that_series_alone(database: Influxd, now_ns: int, pipeline: Pipeline, value: str) -> None:
    (panel,) = (panel for panel in DASHBOARDS[pipeline.name]["panels"] if panel["title"] == "Severity")
    chosen = {f"tag{number}": value for number in range(len(pipeline.group_by), 0, -1)}

    chunks = asked(database, panel["targets"][0]["query"], now_ns, chosen)

    assert [set(chunk.tags.values()) for chunk in chunks] == [{value}]


@pytest.mark.parametrize("pipeline", PIPELINES, ids=[pipeline.name for pipeline in PIPELINES])
def test_a_variable_offers_the_values_of_its_tag(database: Influxd, now_ns: int, pipeline: Pipeline) -> None:
    for variable in DASHBOARDS[pipeline.name]["templating"]["list"]:
        chunks = asked(database, variable["query"], now_ns, {})
        assert sorted(row[1] for chunk in chunks for row in chunk.rows) == sorted(VALUES)


def test_checks_that_fail_are_never_left_out(database: Influxd, now_ns: int) -> None:
    query = failing_first().text
    cut = query.replace(f", {MOST_ROWS})", f", {len(PIPELINES)})")
    assert cut != query

    (chunk,) = asked(database, cut, now_ns, {})

    at = {name: chunk.columns.index(name) for name in ("ok", "check", "pipeline", "text")}
    assert {tuple(row[at[name]] for name in at) for row in chunk.rows} == {
        (0, "model", pipeline.name, "there is no model") for pipeline in PIPELINES
    }


def test_what_is_given_up_is_told_of_every_pipeline(database: Influxd, now_ns: int) -> None:
    (panel,) = (panel for panel in DASHBOARDS["health"]["panels"] if panel["title"] == "Given up by pipeline")

    chunks = asked(database, panel["targets"][0]["query"], now_ns, EVERYTHING)

    # Each counter rose by one a minute.
    assert {chunk.tags["task"]: chunk.rows[0][chunk.columns.index("shed points")] for chunk in chunks} == {
        pipeline.name: MINUTES for pipeline in PIPELINES
    }


# What the stored results are: for each rule, how many series it has, and the number that one of them comes to.
ALERTS = {
    "detection": ({"check": "model"}, 0.0),
    "model_age": ({}, float(MODEL_AGE_S)),
    "shed": ({}, float(MINUTES - 1)),
    "severity": ({}, 90.0),
}


@pytest.mark.parametrize("name", RULES)
def test_a_rule_finds_the_number_that_it_compares(database: Influxd, now_ns: int, name: str) -> None:
    chunks = asked(database, RULES[name].query.text, now_ns, {})

    tags, expected = ALERTS[name]
    (series,) = (
        chunk
        for chunk in chunks
        if {"pipeline": PIPELINES[0].name, "task": PIPELINES[0].name, **tags}.items() >= chunk.tags.items()
    )
    numbers = [row[1] for row in series.rows]
    assert (sum(numbers) if RULES[name].reducer == "sum" else numbers[-1]) == expected
    assert len(chunks) >= len(PIPELINES)
