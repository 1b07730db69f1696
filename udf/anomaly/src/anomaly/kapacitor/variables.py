"""The vars of a pipeline's TICKscript: what each means, and the values that a pipeline gives to them.

A script declares the vars that it uses (`var window duration`), Kapacitor gets their values beside it as JSON, the vars
document. No value becomes part of the script's text, so none has to be quoted. `tickscripts/README.md` has the table of
the vars; a test compares it with this module.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from anomaly.kapacitor.points import reading
from anomaly.pipeline import Pipeline, canonical_json
from anomaly.pipeline.links import NO_ADDRESSES, Addresses, link

# Whether and where a task runs is its own state; its script, training and alerts but for their `age` do not concern the
# UDF. A changed specification is a changed option of the UDF, which then refuses its snapshot.
_NOT_SERVED = frozenset({"enabled", "kapacitor", "tickscript", "training", "alerts"})


@dataclass(frozen=True, slots=True)
class TaskSettings:
    """What the vars of a task are taken from.

    Attributes:
        pipeline: the pipeline of the task.
        results_database: the database that the results go to.
        default_topic: the topic of alerts, unless the pipeline names another.
        addresses: where browsers reach the pages that messages lead to.
        period_topic: the topic of the alerts of periods, unless the pipeline names a topic; empty: the default topic.
    """

    pipeline: Pipeline
    results_database: str
    default_topic: str
    addresses: Addresses = NO_ADDRESSES
    period_topic: str = ""


@dataclass(frozen=True, slots=True)
class Variable:
    """A var that a script may declare.

    Attributes:
        type: the type in TICKscript, such as `string`.
        value: returns its value for a task, as JSON.
    """

    type: str
    value: Callable[[TaskSettings], Any]


def specification_for_udf(pipeline: Pipeline) -> str:
    """Return the canonical JSON of what the UDF has to know of a pipeline.

    Calendars that change no score are left out: they are in a file that the running UDF follows
    (`anomaly.pipeline.calendars_file`).
    """
    fixed = pipeline.with_live_calendars(())
    served = {key: value for key, value in fixed.as_dict().items() if key not in _NOT_SERVED}
    return canonical_json({**served, "alerts": {"age": pipeline.alerts.age}})


def _strings(texts: tuple[str, ...], kind: str = "string") -> list[dict[str, str]]:
    """Return the value of a var of the type list."""
    return [{"type": kind, "value": text} for text in texts]


def _period_topic(task: TaskSettings) -> str:
    """Return the topic of the alerts of periods: that which the pipeline names, or that of the stack's periods."""
    topic = task.pipeline.alerts.topic or task.default_topic
    return task.period_topic or topic if topic == task.default_topic else topic


VARIABLES = {
    "pipeline": Variable("string", lambda task: task.pipeline.name),
    "database": Variable("string", lambda task: task.pipeline.database),
    "retention_policy": Variable("string", lambda task: task.pipeline.retention_policy),
    "measurement": Variable("string", lambda task: task.pipeline.measurement),
    "group_by": Variable("list", lambda task: _strings(task.pipeline.point_tags)),
    "reads": Variable("list", lambda task: _strings(reading(task.pipeline).lambdas, "lambda")),
    "read_names": Variable("list", lambda task: _strings(reading(task.pipeline).names)),
    "handed": Variable("list", lambda task: _strings(reading(task.pipeline).kept)),
    "window": Variable("duration", lambda task: task.pipeline.window),
    "specification": Variable("string", lambda task: specification_for_udf(task.pipeline)),
    "results_database": Variable("string", lambda task: task.results_database),
    "topic": Variable("string", lambda task: task.pipeline.alerts.topic or task.default_topic),
    "period_topic": Variable("string", _period_topic),
    "alert_on_period": Variable("bool", lambda task: "period" in task.pipeline.alerts.kinds),
    "alert_on_silence": Variable("bool", lambda task: "silence" in task.pipeline.alerts.kinds),
    "alert_on_drift": Variable("bool", lambda task: "drift" in task.pipeline.alerts.kinds),
    "alert_on_clock": Variable("bool", lambda task: "clock" in task.pipeline.alerts.kinds),
    "alert_on_rate": Variable("bool", lambda task: "rate" in task.pipeline.alerts.kinds),
    "alert_on_invalid": Variable("bool", lambda task: "invalid" in task.pipeline.alerts.kinds),
    "info": Variable("float", lambda task: task.pipeline.alerts.info),
    "warning": Variable("float", lambda task: task.pipeline.alerts.warning),
    "critical": Variable("float", lambda task: task.pipeline.alerts.critical),
    "link": Variable("string", lambda task: link(task.pipeline, task.addresses)),
    "merge": Variable("duration", lambda task: task.pipeline.periods.merge),
    "silence": Variable("duration", lambda task: task.pipeline.periods.silence),
}


def vars_document(task: TaskSettings, names: frozenset[str]) -> dict[str, dict[str, Any]]:
    """Return the vars document of a task, as Kapacitor's HTTP API takes it.

    Args:
        task: what the values are taken from.
        names: the vars that the script declares. Others are left out, so that a key that a script does not use does not
            restart its task.

    Returns:
        Type and value of each var by its name.
    """
    return {
        name: {"type": variable.type, "value": variable.value(task)}
        for name, variable in VARIABLES.items()
        if name in names
    }
