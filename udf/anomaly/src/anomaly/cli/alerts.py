"""`anomaly alerts preview`: the message of each alert of a pipeline, without a stack.

Sentences, names and links are made by the code that serves, of numbers that are made up: nobody asks a model. `message`
puts them together as `tickscripts/pipeline.tick` does; a test compares it with what a real kapacitord sends.
"""

import argparse
import math
import time
from collections.abc import Iterator, Mapping
from dataclasses import replace

from anomaly.cli import codes
from anomaly.cli.common import UsageError, choose, out, read_pipelines
from anomaly.keeper.incidents import Incidents, SeenPeriod, incident_text
from anomaly.nanoseconds import HOUR_NS, MS_NS
from anomaly.pipeline import Pipeline
from anomaly.pipeline.links import Addresses, link_text, period_link
from anomaly.scoring.notices import CLOCK, INVALID, RATE, SILENCE, Notice
from anomaly.scoring.periods import NO_DATA, FieldMoment, Moment, Period
from anomaly.scoring.results import SERIES_FIELD, Fields, notice_fields, period_fields, series_tags
from anomaly.scoring.wording import duration_text, moment_text
from anomaly.windows.cut import cut_of

# What a made-up tag value, range and value are.
_TAG_VALUE = "example"
_LOW, _HIGH, _VALUE = 10.0, 20.0, 35.0
# The last part of an alert's id.
_PERIOD, _DRIFT = "period", "drift"
_NOTICES = {
    CLOCK: ("WARNING", "3 points are ahead of the clock"),
    RATE: ("INFO", "2 points a window, training saw 6"),
    INVALID: ("WARNING", "{field} is 850, which is not a measurement"),
}


def preview(options: argparse.Namespace) -> int:
    """Print the messages of the chosen pipeline.

    Returns:
        The exit code.

    Raises:
        UsageError: there is no such pipeline, or a script of its own words its messages.
        SpecError: the specification is not valid.
    """
    pipeline = choose(read_pipelines(options.spec), options.pipeline)
    if pipeline.tickscript is not None:
        raise UsageError(
            f'tickscript: "{pipeline.tickscript}" words the messages of {pipeline.name}: read its .message(…), or '
            "remove the key to preview those of pipeline.tick"
        )
    if not pipeline.alerts.kinds:
        out(f"{pipeline.name} alerts nobody: its alerts.kinds is empty")
    addresses = Addresses(options.grafana_url, options.console_url)
    for title, text in previewed(pipeline, addresses, time.time_ns()):
        out(f"{title}\n    {text}")
    return codes.DONE


def previewed(pipeline: Pipeline, addresses: Addresses, now_ns: int) -> Iterator[tuple[str, str]]:
    """Yield what each alert of a pipeline is about, and its message.

    Args:
        pipeline: the pipeline.
        addresses: where browsers reach the pages that messages lead to.
        now_ns: the time now, before which the made-up alerts are.
    """
    key = (_TAG_VALUE,) * len(pipeline.group_by)
    tags = series_tags(pipeline, key)
    cut = cut_of(pipeline)
    begin_ns = cut.begin(now_ns - HOUR_NS)
    end_ns = cut.step(begin_ns, 7)

    def said(kind: str, level: str, fields: Fields, whose: Mapping[str, str] = tags) -> str:
        return message(kind, level, whose, begin_ns, fields, pipeline, addresses)

    kinds = pipeline.alerts.kinds
    if "period" in kinds:
        for title, level, period in _periods(pipeline, begin_ns, end_ns):
            yield title, said(_PERIOD, level, period_fields(pipeline, key, period))
        yield from _incident(pipeline, begin_ns, end_ns, addresses)
    if "silence" in kinds:
        silence = Period(begin_ns, end_ns, "open", 0.0, 0.0, 0, NO_DATA)
        yield "a series is silent", said(SILENCE, "WARNING", period_fields(pipeline, key, silence))
        silence.state = "closed"
        yield "its data arrive again", said(SILENCE, "OK", period_fields(pipeline, key, silence))
        everybody = {"pipeline": pipeline.name}
        for title, level, state in (("all series are silent", "WARNING", "open"), ("and are not", "OK", "closed")):
            notice = Notice(SILENCE, begin_ns, end_ns, state, "all 12 series", 12)
            yield title, said(SILENCE, level, notice_fields(everybody, notice), everybody)
    if "drift" in kinds:
        yield "a series drifts", said(_DRIFT, "INFO", {"psi": 0.4, "above": 0.02})
        yield "it does not any more", said(_DRIFT, "OK", {"psi": 0.05, "above": 0.001})
    for kind, (level, text) in _NOTICES.items():
        if kind in kinds:
            shown = text.format(field=_fields(pipeline)[0])
            opened, closed = (Notice(kind, begin_ns, end_ns, state, shown, 3) for state in ("open", "closed"))
            yield f"a notice of the kind {kind}", said(kind, level, notice_fields(tags, opened))
            yield "it is over", said(kind, "OK", notice_fields(tags, closed))


def _periods(pipeline: Pipeline, begin_ns: int, end_ns: int) -> Iterator[tuple[str, str, Period]]:
    """Yield the stages of a period that gets worse: what happens, the level and the period."""
    alerts, names = pipeline.alerts, _fields(pipeline)
    fields = tuple(
        FieldMoment(name, _VALUE, _LOW, _HIGH, share) for name, share in zip(names, (0.7, 0.3), strict=False)
    )
    moment = Moment(cut_of(pipeline).step(begin_ns, 2), fields)
    levels = {"INFO": max(alerts.info, pipeline.periods.open), "WARNING": alerts.warning, "CRITICAL": alerts.critical}
    # A level that begins where a higher one does is never told.
    level_of = {least: level for level, least in levels.items()}
    ordered = list(level_of.values())
    for number, level in enumerate(ordered):
        period = Period(begin_ns, end_ns, "open", 1.0, levels[level], 1 + number, names[0], moment=moment)
        yield ("it gets worse" if number else "a period opens"), level, period
    worst = levels[ordered[-1]]
    yield "it is over", "OK", Period(begin_ns, end_ns, "closed", 1.0, worst, 5, names[0], moment=moment)
    limited = next((watched for watched in pipeline.watched if watched.limits is not None), None)
    if limited is not None and limited.limits is not None:
        high, low = limited.limits.high, limited.limits.low
        reason = f"{limited.name} above {high:g}" if math.isfinite(high) else f"{limited.name} below {low:g}"
        limit = Period(begin_ns, end_ns, "open", 1.0, 100.0, 1, reason, is_beyond_limit=True, moment=moment)
        yield "a limit is broken", ordered[-1], limit


def _incident(pipeline: Pipeline, begin_ns: int, end_ns: int, addresses: Addresses) -> Iterator[tuple[str, str]]:
    """Yield the messages of an incident of three series, for handlers that choose incidents.

    A link to Grafana's overview, which is the stack's and not the pipeline's, is left out.
    """
    alerts = pipeline.alerts
    level = sum(alerts.warning >= least for least in (alerts.info, alerts.warning, alerts.critical))
    periods = [
        SeenPeriod(
            pipeline=pipeline.name,
            tags=tuple((tag, f"{_TAG_VALUE}{number}") for tag in pipeline.result_tags),
            topic="",
            begin_ns=cut_of(pipeline).step(begin_ns, number),
            end_ns=end_ns,
            is_open=True,
            severity=alerts.warning,
            reason=_fields(pipeline)[0],
            level=level,
        )
        for number in range(3 if pipeline.result_tags else 1)
    ]
    first = periods[0]
    link = period_link(addresses, first.pipeline, dict(first.tags), first.begin_ns) if addresses.console else ""
    incidents = Incidents()
    for title, is_open in (("an incident begins", True), ("it is over", False)):
        seen = [replace(period, is_open=is_open) for period in periods]
        (report,) = incidents.look(seen, end_ns if is_open else end_ns + HOUR_NS)
        yield title, f"{report.incident.told_level} {incident_text(report, '')}{link}"


def _fields(pipeline: Pipeline) -> tuple[str, ...]:
    """Return the names of a pipeline's fields; one that is made up while patterns stand for them."""
    return pipeline.fields or ("field",)


def message(
    kind: str,
    level: str,
    tags: Mapping[str, str],
    time_ns: int,
    fields: Fields,
    pipeline: Pipeline,
    addresses: Addresses,
) -> str:
    """Return the message of an alert, as `tickscripts/pipeline.tick` makes it.

    Args:
        kind: the last word of the alert's id.
        level: the alert's level.
        tags: the tags of its series, without that of the notice.
        time_ns: the time of the point that raised or ended it.
        fields: the point's fields.
        pipeline: the pipeline.
        addresses: where browsers reach the pages that messages lead to.
    """
    lasted_ns = int(float(fields.get("end_ms", 0)) - float(fields.get("begin_ms", 0))) * MS_NS
    name = fields.get(SERIES_FIELD) or ",".join(f"{tag}={value}" for tag, value in sorted(tags.items()))
    said = _said(kind, level, time_ns, fields, duration_text(lasted_ns))
    link = link_text(pipeline, addresses, tags, time_ns, lasted_ns, is_period=bool(fields.get("reason")))
    return f"{level} {name}: {said}{link}"


def _said(kind: str, level: str, time_ns: int, fields: Fields, lasted: str) -> str:
    is_over, text = level == "OK", str(fields.get("text", ""))
    is_notice = "reason" not in fields
    if kind == _PERIOD:
        return text if fields.get("reason", "") not in ("", NO_DATA) else "no longer anomalous"
    if kind == _DRIFT:
        return (
            f"{'as in training again' if is_over else 'no longer as in training'}, "
            f"stability index {fields['psi']:.2f}, share of anomalous windows {fields['above']:.3f}"
        )
    if kind == SILENCE and is_notice and text:
        return f"{f'data arrive, silent for {lasted}' if is_over else f'no data since {moment_text(time_ns)}'}, {text}"
    if kind == SILENCE:
        return text if fields.get("reason") == NO_DATA else "data arrive"
    return f"over after {lasted}: {text}" if is_over else text
