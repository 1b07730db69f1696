"""Alert rules and contact points of Grafana, as the JSON that its file provisioning reads.

There is one rule for each thing that a person must know of, and none for each pipeline or series: a rule has one alert
for each pipeline that it finds, so the number of alerts does not grow with the number of series. The identifiers of
rules and contact points are known beforehand, so a rule or a contact point that the inventory no longer names is
removed from Grafana by the same file.

Grafana expands `$NAME` in provisioned strings, except in queries. So no string here has a dollar sign: templates use
`.Labels`, and `anomaly.grafana` leaves names with one to the checks before a deployment.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from anomaly.grafana.panels import DATASOURCE, DATASOURCE_UID, Json
from anomaly.grafana.queries import Query, for_each
from anomaly.grafana.stack_dashboards import health_dashboard, overview_dashboard
from anomaly.pipeline import Pipeline

# The checks of the keeper without which windows are not scored. A test compares them with the keeper's.
STOPPING_CHECKS = ("influxdb", "kapacitor", "task", "udf", "model", "fed", "scores")
# How many contact points an inventory may have.
MOST_CONTACT_POINTS = 20
_DAY_S = 86_400
_EXPRESSION = {"type": "__expr__", "uid": "__expr__"}
_IS_UDF = "\"udf\" = 'anomaly'"
_PIPELINE = "{{ with .Labels.pipeline }} for {{ . }}{{ end }}"
_TASK = "{{ .Labels.task }}"


@dataclass(frozen=True, slots=True)
class AlertRule:
    """A rule that an inventory may choose.

    Attributes:
        title: what is wrong when it fires.
        query: the numbers that it looks at; each series that the query returns is an alert of its own.
        range_s: how many seconds back the query looks.
        reducer: what becomes of a series' numbers: `last` or `sum`.
        evaluator: how the reduced number is compared with the limit: `gt` or `lt`.
        limit: the limit; that of a rule with an `option` is the option's default.
        option: the key of the inventory that sets the limit; empty if the limit is fixed.
        bounds: the least and the greatest value of the option.
        unit: by what a value of the option is multiplied to be a limit.
        pending: how long the condition must hold.
        no_data: the state while the query returns nothing.
        summary: the alert's message, a template of Grafana's.
        panel: the title of the panel that shows the numbers.
        is_health: whether the panel is one of the dashboard "Detection health"; else it is one of the overview.
    """

    title: str
    query: Query
    range_s: int
    summary: str
    panel: str
    limit: float
    reducer: str = "last"
    evaluator: str = "gt"
    option: str = ""
    bounds: tuple[float, float] = (0, 0)
    unit: float = 1
    pending: str = "0s"
    no_data: str = "OK"
    is_health: bool = True


RULES: Mapping[str, AlertRule] = {
    "detection": AlertRule(
        title="Detection is down",
        query=for_each(
            'last("ok") AS "ok"', "health", ("check", "pipeline"), [f'"check" =~ /^({"|".join(STOPPING_CHECKS)})$/']
        ),
        range_s=300,
        evaluator="lt",
        limit=1,
        pending="1m",
        # A keeper that says nothing is what the alert is about.
        no_data="Alerting",
        summary=f"Detection is down: {{{{ with .Labels.check }}}}the check {{{{ . }}}} fails{{{{ else }}}}"
        f"the keeper says nothing{{{{ end }}}}{_PIPELINE}.",
        panel="What the keeper finds",
    ),
    "model_age": AlertRule(
        title="A model is old",
        query=for_each('last("model_age_s") AS "age"', "udf", ("task",), [_IS_UDF]),
        range_s=600,
        limit=90 * _DAY_S,
        option="days",
        bounds=(1, 3_650),
        unit=_DAY_S,
        pending="10m",
        summary=f"The history that the model of {_TASK} was trained on ended long ago. Train it again.",
        panel="UDFs now",
    ),
    "shed": AlertRule(
        title="A UDF sheds points",
        query=Query(
            'SELECT non_negative_difference(last("shed_points")) AS "shed" FROM "udf"'
            f' WHERE {_IS_UDF} AND $timeFilter GROUP BY time(1m), "task" fill(none) SLIMIT 200'
        ),
        range_s=600,
        reducer="sum",
        limit=0,
        summary=f"The UDF of {_TASK} gets points faster than it handles them, and drops some. A catch-up scores these.",
        panel="Given up",
    ),
    "severity": AlertRule(
        title="A severe period is open",
        query=for_each('max("peak_severity") AS "peak"', "period", ("pipeline",), ["\"state\" = 'open'"]),
        range_s=7 * _DAY_S,
        limit=90,
        option="severity",
        bounds=(0, 100),
        summary=f"A period of severity {{{{ printf `%.0f` .Values.B.Value }}}} is open{_PIPELINE}.",
        panel="Worst severity",
        is_health=False,
    ),
}


def alerting(
    rules: Sequence[Mapping[str, Any]],
    contact_points: Sequence[Mapping[str, Any]],
    pipelines: Sequence[Pipeline],
    stack_name: str,
    folder: str,
) -> Json:
    """Return the file of alert rules and contact points.

    Args:
        rules: the chosen rules: `rule` is a name of RULES, with the rule's option, and `receiver`, the name of a
            contact point; without it Grafana's own notification policies say who is told.
        contact_points: `name`, `type` and `settings` as Grafana knows them; those of one name are one contact point.
        pipelines: the pipelines of the dashboards that alerts link to.
        stack_name: the stack's name.
        folder: the title of the rules' folder.
    """
    dashboards = (overview_dashboard(pipelines, stack_name), health_dashboard(pipelines, stack_name))
    chosen = {entry["rule"]: entry for entry in rules}
    made = [
        _rule(name, rule, chosen[name], dashboards[rule.is_health], stack_name)
        for name, rule in RULES.items()
        if name in chosen
    ]
    group = {"orgId": 1, "name": f"Anomalies of {stack_name}", "folder": folder, "interval": "1m", "rules": made}
    return {
        "apiVersion": 1,
        "groups": [group] if made else [],
        "deleteRules": [{"orgId": 1, "uid": _uid(stack_name, name)} for name in RULES if name not in chosen],
        "contactPoints": _contact_points(contact_points, stack_name),
        "deleteContactPoints": [
            {"orgId": 1, "uid": _uid(stack_name, f"contact-{number}")}
            for number in range(len(contact_points), MOST_CONTACT_POINTS)
        ],
    }


def _rule(name: str, rule: AlertRule, entry: Mapping[str, Any], shown: Json, stack_name: str) -> Json:
    chosen, receiver = entry.get(rule.option), entry.get("receiver")
    limit = rule.limit if chosen is None else chosen * rule.unit
    (panel,) = (panel["id"] for panel in shown["panels"] if panel["title"] == rule.panel)
    notification = {} if receiver is None else {"notification_settings": {"receiver": receiver}}
    return {
        "uid": _uid(stack_name, name),
        "title": rule.title,
        "condition": "C",
        "for": rule.pending,
        "noDataState": rule.no_data,
        "execErrState": "Error",
        # Messages and the list of rules link to the panel by these two annotations; both are texts.
        "annotations": {
            "summary": rule.summary,
            "__dashboardUid__": shown["uid"],
            "__panelId__": str(panel),
        },
        "labels": {"stack": stack_name},
        "data": [
            _step("A", DATASOURCE_UID, rule.range_s, _asked(rule.query)),
            _step(
                "B",
                "__expr__",
                rule.range_s,
                {"type": "reduce", "expression": "A", "reducer": rule.reducer, "datasource": _EXPRESSION},
            ),
            _step(
                "C",
                "__expr__",
                rule.range_s,
                {
                    "type": "threshold",
                    "expression": "B",
                    "conditions": [{"evaluator": {"type": rule.evaluator, "params": [limit]}}],
                    "datasource": _EXPRESSION,
                },
            ),
        ],
        **notification,
    }


def _asked(query: Query) -> Json:
    # As series: each becomes an alert with its tags as labels.
    return {"datasource": DATASOURCE, "rawQuery": True, "query": query.text, "resultFormat": "time_series"}


def _step(reference: str, datasource: str, range_s: int, model: Json) -> Json:
    return {
        "refId": reference,
        "datasourceUid": datasource,
        "relativeTimeRange": {"from": range_s, "to": 0},
        "model": {"refId": reference, **model},
    }


def _contact_points(contact_points: Sequence[Mapping[str, Any]], stack_name: str) -> list[Json]:
    by_name: dict[str, list[Json]] = {}
    for number, entry in enumerate(contact_points):
        receiver = {
            "uid": _uid(stack_name, f"contact-{number}"),
            "type": entry["type"],
            "settings": dict(entry["settings"]),
        }
        by_name.setdefault(entry["name"], []).append(receiver)
    return [{"orgId": 1, "name": name, "receivers": receivers} for name, receivers in by_name.items()]


def _uid(stack_name: str, which: str) -> str:
    """Return the identifier of a rule or a contact point; Grafana allows 40 characters."""
    return f"anomaly-{hashlib.sha1(f'{stack_name} {which}'.encode(), usedforsecurity=False).hexdigest()[:24]}"
