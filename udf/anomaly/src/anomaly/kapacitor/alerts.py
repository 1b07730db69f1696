"""The part of a pipeline's TICKscript that tells people: Kapacitor alerts on a topic, whose handlers say who is told.

An alert has one id for each series and kind, as Kapacitor keeps the state of each id for good, and a series has at most
one period open. Its level only rises while a period is open, and it ends when the period is closed. After a restart the
topic still has the level, while the UDF may have forgotten that a period was open and so never say that it is closed:
windows without anomalies for longer than any period lets pass end the alert as well.

`{{ }}` in a message is Go's text/template, of which the fields are in Kapacitor's documentation of the AlertNode.
"""

from collections.abc import Callable, Iterator

from anomaly.pipeline import Pipeline
from anomaly.scoring.periods import NO_DATA

_BEGIN = '{{ .Time.UTC.Format "2006-01-02 15:04:05 UTC" }}'
_LASTED = '{{ index .Fields "_lasted" }}'

# Periods, and the scores between them. A lambda needs every field that it names, and sees no measurement's name: a
# shadow's results have a field that says so. Names that begin with _ can be no tag of the pipeline's.
_SERIES = """
var series = results
    |where(lambda: (isPresent("state") OR isPresent("label")) AND !isPresent("shadow"))
    |default()
        .field('state', '')
        .field('reason', '')
        .field('peak_severity', 0.0)
        .field('begin_ms', 0)
        .field('end_ms', 0)
        .field('label', 1)
    |stateDuration(lambda: "label" == 0)
        .unit(1s)
        .as('_quiet')
    |eval(lambda: pow(10.0, ("peak_severity" - 50.0) / 12.5), lambda: duration("end_ms" - "begin_ms", 1ms))
        .as('_days', '_lasted')
        .keep()
"""


def alerts(pipeline: Pipeline, topic: str) -> Iterator[str]:
    """Statements on the variable `results`, what the UDF emits. topic: of pipelines that name none."""
    told = pipeline.alerts
    if {"period", "silence"} & set(told.kinds):
        yield _SERIES
    for kind in told.kinds:
        yield _KINDS[kind](pipeline, told.topic or topic)


def _period(pipeline: Pipeline, topic: str) -> str:
    told, periods = pipeline.alerts, pipeline.periods
    message = (
        '{{ if eq (index .Fields "state") "" }}no longer anomalous{{ else }}anomalous '
        '{{ if eq .Level "OK" }}from ' + _BEGIN + " for " + _LASTED + "{{ else }}since " + _BEGIN + "{{ end }}"
        ', because of {{ index .Fields "reason" }}, peak severity {{ printf "%.1f" (index .Fields "peak_severity") }}'
        ': once in {{ printf "%.1f" (index .Fields "_days") }} days'
        '{{ if ge (index .Fields "peak_severity") 100.0 }} or rarer{{ end }}{{ end }}'
    )
    levels = "".join(
        f"""
        .{level}(lambda: "state" == 'open' AND "peak_severity" >= {severity:.2f})
        .{level}Reset(over)"""
        for level, severity in (("info", told.info), ("warn", told.warning), ("crit", told.critical))
    )
    return f"""
var over = lambda: "state" == 'closed' OR duration("_quiet", 1s) > {periods.merge} + {pipeline.window}
{_alert("series", "period", topic, message)}{levels}
"""


def _silence(pipeline: Pipeline, topic: str) -> str:
    message = '{{ if eq .Level "OK" }}data arrive{{ else }}no data from ' + _BEGIN + " for " + _LASTED + "{{ end }}"
    return f"""{_alert("series", "silence", topic, message)}
        .warn(lambda: "reason" == '{NO_DATA}')
"""


def _drift(pipeline: Pipeline, topic: str) -> str:
    message = (
        '{{ if eq .Level "OK" }}as in training again{{ else }}no longer as in training{{ end }}'
        ', stability index {{ printf "%.2f" (index .Fields "psi") }}'
        ', share of anomalous windows {{ printf "%.3f" (index .Fields "above") }}'
    )
    source = 'results\n    |where(lambda: isPresent("drifted"))'
    return f"""{_alert(source, "drift", topic, message)}
        .info(lambda: "drifted" == 1)
"""


def _alert(source: str, kind: str, topic: str, message: str) -> str:
    return f"""
{source}
    |alert()
        .topic('{topic}')
        .id('{{{{ .Group }}}} {kind}')
        .message('{{{{ .Level }}}} {{{{ .Group }}}}: {message}')
        .details('{{{{ .Message }}}}')
        .stateChangesOnly()"""


_KINDS: dict[str, Callable[[Pipeline, str], str]] = {"period": _period, "silence": _silence, "drift": _drift}
