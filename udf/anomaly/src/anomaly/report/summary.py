"""Says in sentences what the results of a pipeline show in a range."""

from collections import Counter
from collections.abc import Sequence

from anomaly.counted import counted
from anomaly.report.read import MOST_PERIODS, RangeOverview, ReportedPeriod
from anomaly.scoring.periods import NO_DATA
from anomaly.scoring.wording import TOGETHER, duration_text, moment_text, plain
from anomaly.severity.rarity import once_in
from anomaly.windows.arrays import Key

_MOST_OF_A_NAME = 60
_MOST_REASONS = 5
# What a limit adds to the name of a field, in the reason of a period; what follows is a number.
_LIMITS = (" above ", " below ")


def series_name(tags: Sequence[str], key: Key) -> str:
    """Return the name of a series, such as `printer=printer-1`.

    Args:
        tags: the names of its tags.
        key: their values; the tag is left out where the series lacks it.
    """
    pairs = (f"{plain(tag, _MOST_OF_A_NAME)}={plain(value, _MOST_OF_A_NAME)}" for tag, value in _there(tags, key))
    return ", ".join(pairs) or "the only series"


def _there(tags: Sequence[str], key: Key) -> list[tuple[str, str]]:
    return [(tag, value) for tag, value in zip(tags, key, strict=True) if value]


def headline(overviews: Sequence[RangeOverview]) -> str:
    """Return the title of a report.

    Args:
        overviews: those of its pipelines.
    """
    periods = sum(overview.all_periods for overview in overviews)
    named = overviews[0].pipeline.name if len(overviews) == 1 else counted(len(overviews), "pipeline")
    return f"{plain(named, _MOST_OF_A_NAME)}: {counted(periods, 'anomalous period')}"


def sentences(overview: RangeOverview, plotted: int) -> list[str]:
    """Return sentences about a pipeline.

    Args:
        overview: what was read of it.
        plotted: how many of its series are plotted.
    """
    begin, end = (moment_text(time) for time in (overview.span.begin_ns, overview.span.end_ns))
    if overview.is_empty:
        return [f"There are no scores and no periods from {begin} to {end}."]
    return [
        _windows(overview, begin, end),
        _periods(overview),
        *_worst(overview),
        *_reasons(overview.periods),
        *_plots(overview, plotted),
    ]


def _windows(overview: RangeOverview, begin: str, end: str) -> str:
    if not overview.windows:
        return f"From {begin} to {end} no window was scored."
    share = 100.0 * overview.anomalous / overview.windows
    of_series = counted(overview.series, "series", "series")
    were = "was" if overview.windows == 1 else "were"
    return (
        f"From {begin} to {end}, {counted(overview.windows, 'window')} of {of_series} {were} scored, and "
        f"{overview.anomalous:,} of them ({share:.2g} %) were anomalous."
    )


def _periods(overview: RangeOverview) -> str:
    if not overview.all_periods:
        return "There is no anomalous period."
    text = f"There {'is' if overview.all_periods == 1 else 'are'} {counted(overview.all_periods, 'anomalous period')}"
    if overview.all_periods > len(overview.periods):
        text += f", of which this report has the newest {MOST_PERIODS:,}"
    series = len({period.key for period in overview.periods})
    text += f" in {counted(series, 'series', 'series')}"
    still = sum(period.is_open for period in overview.periods)
    return f"{text}; {still:,} of them {'is' if still == 1 else 'are'} open." if still else f"{text}."


def _worst(overview: RangeOverview) -> list[str]:
    """Say when the worst period was, how bad it was, and which field did what."""
    if not overview.periods:
        return []
    period = overview.periods[0]
    name = series_name(overview.pipeline.result_tags, period.key)
    return period_sentences(period, f"The worst one is of {name}: it", "by the end of the range")


def period_sentences(period: ReportedPeriod, subject: str, until: str) -> list[str]:
    """Say when a period was, how bad it was, and which field did what.

    Args:
        period: the period.
        subject: the begin of the first sentence, such as `The period`.
        until: up to when an open period is known to last, such as `by now`.
    """
    lasted = duration_text(period.end_ns - period.begin_ns)
    lasts = f"has lasted for {lasted} {until}" if period.is_open else f"lasted for {lasted}"
    first = f"{subject} began at {moment_text(period.begin_ns)} and {lasts}."
    if period.reason == NO_DATA:
        return [f"{first} The series had no data."]
    named = plain(period.reason, _MOST_OF_A_NAME)
    cause = period.text.partition("; at ")[0].partition(f"because of {named}, ")[2]
    is_together = TOGETHER in cause
    reason = f"The reason is {named}"
    reason += f": {cause}" if is_together else f", and the highest severity {period.peak_severity:.1f}"
    if period.peak_severity > 0.0 and not is_together:
        reason += f", which a series reaches once in {once_in(period.peak_severity)}"
        reason += " or more rarely" if period.peak_severity >= 100.0 else ""
    moved = period.text.partition("; at ")[2]
    return [first, f"{reason}.", *([f"At {plain(moved).rstrip('.')}."] if moved else [])]


def _reasons(periods: Sequence[ReportedPeriod]) -> list[str]:
    counts = Counter(field_of(period.reason) for period in periods)
    if not counts:
        return []
    listed = [f"{plain(name, _MOST_OF_A_NAME)} {count:,}" for name, count in counts.most_common(_MOST_REASONS)]
    unlisted = len(counts) - len(listed)
    return [f"Reasons of periods: {', '.join(listed)}{f', and {unlisted} more' if unlisted else ''}."]


def field_of(reason: str) -> str:
    """Return the reason of a period without the number of a limit."""
    for limit in _LIMITS:
        if limit in reason:
            return f"{reason.partition(limit)[0]}{limit.rstrip()} its limit"
    return reason or "unknown"


def _plots(overview: RangeOverview, plotted: int) -> list[str]:
    keys = {period.key for period in overview.periods} | {each.key for each in overview.worst_series}
    known = max(overview.series, len(keys))
    if plotted >= known:
        return []
    if not plotted:
        return ["No series is plotted, as the page would be too large: ask for this pipeline alone."]
    return [f"Plotted {'is the worst' if plotted == 1 else f'are the {plotted} worst'} of {known:,} series."]
