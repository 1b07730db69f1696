"""Sentences for people: what an alert says of a period, without anything that a chat or a mail takes for markup.

The UDF writes the whole sentence, because a message template of Kapacitor can neither compare numbers with a range nor
count. Tag values and names of fields come from anybody who may write points. So a text is bounded, has no control
characters, and has no `<` and `>`, which Slack and HTML would take for markup.
"""

import math
from collections.abc import Mapping
from datetime import UTC, datetime

from anomaly.nanoseconds import MINUTE_NS, SECOND_NS
from anomaly.pipeline import Pipeline
from anomaly.scoring.periods import NEW_LEVEL, NO_DATA, FieldMoment, Period
from anomaly.severity.rarity import once_in

# What a text says of a period that no single window is severe enough to open.
TOGETHER = "windows that are as rare together as severity"
# A text has at most this many characters, a name in it this many.
MOST_CHARACTERS = 400
_MOST_OF_A_NAME = 60
# Another field is named if its share of the score is at least this.
_LEAST_SHARE = 0.1
_MARKUP = str.maketrans({"<": "‹", ">": "›"})
# A name with one of these would be changed by html, which Kapacitor's template applies to names of series.
_CHANGED_BY_HTML = frozenset("&'\"")


def plain(text: str, most: int = MOST_CHARACTERS) -> str:
    """Return a text without markup and control characters, and with at most `most` characters."""
    shown = text if text.isprintable() else "".join(each if each.isprintable() else "?" for each in text)
    shown = shown.translate(_MARKUP)
    return shown if len(shown) <= most else f"{shown[: most - 1]}…"


def safe_series(tags: Mapping[str, str]) -> str | None:
    """Return how an alert names a series whose name Kapacitor's template cannot show as it is; None for all others.

    Args:
        tags: the tags of the series' results.
    """
    name = ",".join(f"{tag}={plain(value, _MOST_OF_A_NAME)}" for tag, value in sorted(tags.items()))
    group = ",".join(f"{tag}={value}" for tag, value in sorted(tags.items()))
    return name if name != group or _CHANGED_BY_HTML & set(name) else None


def period_text(pipeline: Pipeline, period: Period, *, joint: bool | None = False) -> str:
    """Say since when a period lasts, how rare it is, and what its fields were when it was worst.

    Args:
        pipeline: the pipeline.
        period: the period.
        joint: whether a notice of the whole pipeline tells the silence; None: nobody told it while it lasted.
    """
    begin, lasted = moment_text(period.begin_ns), duration_text(period.end_ns - period.begin_ns)
    if period.reason == NO_DATA:
        if period.state == "open":
            return f"no data since {begin}, for {lasted}"
        return f"no data from {begin} for {lasted}" if joint is None else f"data arrive, silent for {lasted}"
    when = f"since {begin}" if period.state == "open" else f"from {begin} for {lasted}"
    return plain(f"anomalous {when}, {_cause(pipeline, period)}{_moved(pipeline, period)}")


def _cause(pipeline: Pipeline, period: Period) -> str:
    """Say why a period was opened, and how rare it is; a limit says nothing of how rare.

    Where no single window is severe enough to open a period, several together were.
    """
    reason = plain(period.reason, _MOST_OF_A_NAME)
    if period.is_beyond_limit:
        return f"because of {reason}, a limit"
    rare = f"peak severity {period.peak_severity:.1f}: once in {once_in(period.peak_severity)}"
    rare += " or more rarely" if period.peak_severity >= 100.0 else ""
    if period.points > 1 and round(period.peak_severity, 1) < pipeline.periods.open:
        rare = f"{period.points} {TOGETHER} {pipeline.periods.open:g}, each of them at most {period.peak_severity:.1f}"
    return f"{rare}; it goes on as a new level" if period.reason == NEW_LEVEL else f"because of {reason}, {rare}"


def _moved(pipeline: Pipeline, period: Period) -> str:
    """Say what the fields were in the most severe window: the one with the largest share, and others that count."""
    moment = period.moment
    if moment is None:
        return ""
    counting = [each for at, each in enumerate(moment.fields) if at == 0 or each.share >= _LEAST_SHARE]
    return f"; at {moment_text(moment.begin_ns)} " + "; ".join(_field_text(pipeline, each) for each in counting)


def _field_text(pipeline: Pipeline, field: FieldMoment) -> str:
    """Say what a field was, and what was expected of it."""
    function = pipeline.aggregate[0]
    name = plain(field.name, _MOST_OF_A_NAME)
    named = name if function in ("mean", "last") else f"the {function} of {name}"
    unit = next((watched.unit for watched in pipeline.watched if watched.name == field.name), None)
    # A number of points is not in the field's unit.
    unit = f" {plain(unit, _MOST_OF_A_NAME)}" if unit and function != "count" else ""
    if not math.isfinite(field.value):
        return f"{named} was unusual"
    if not (math.isfinite(field.low) and math.isfinite(field.high)):
        return f"{named} was {_number(field.value, 0.0)}{unit}"
    apart = [abs(field.value - field.low), abs(field.value - field.high), field.high - field.low]
    scale = min((each for each in apart if each > 0.0), default=0.0)
    value, low, high = (_number(each, scale) for each in (field.value, field.low, field.high))
    expected = f"{low}{unit}" if low == high else f"{low} to {high}{unit}"
    if field.low <= field.value <= field.high:
        # Another aggregate, the spread or the course over time is what is rare.
        return f"{named} was {value}{unit}, which is within the expected {expected}, but not as usual"
    side = "above" if field.value > field.high else "below"
    return f"{named} was {value}{unit}, {side} the expected {expected}"


def _number(value: float, scale: float) -> str:
    """Return a number with as many digits as tell it from others that are as far away as `scale`; 0: nobody knows."""
    if value and not 1e-4 <= abs(value) < 1e9:
        return f"{value:.4g}"
    decimals = 3 if scale == 0.0 else min(max(1 - math.floor(math.log10(scale)), 0), 6)
    shown = f"{value:.{decimals}f}"
    shown = shown.rstrip("0").rstrip(".") if "." in shown else shown
    return "0" if shown == "-0" else shown


def moment_text(time_ns: int) -> str:
    """Return a time in UTC to the second."""
    return f"{datetime.fromtimestamp(time_ns // SECOND_NS, UTC):%Y-%m-%d %H:%M:%S} UTC"


def duration_text(nanoseconds: int) -> str:
    """Return a duration as Kapacitor's templates show it, such as `1h0m10s`."""
    if nanoseconds < SECOND_NS:
        return f"{nanoseconds / 1e6:g}ms" if nanoseconds else "0s"
    minutes, remainder_ns = divmod(nanoseconds, MINUTE_NS)
    hours, minutes = divmod(minutes, 60)
    seconds = f"{remainder_ns / SECOND_NS:g}s"
    return f"{hours}h{minutes}m{seconds}" if hours else f"{minutes}m{seconds}" if minutes else seconds
