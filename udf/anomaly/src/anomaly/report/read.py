"""Reads the results of a pipeline in a range: totals, periods, the worst series, and what is plotted of a series.

InfluxDB makes at most `MOST_STEPS` steps of the range, each with its lowest and its highest value, so that no peak gets
lost. So what is read does not grow with the range, nor with the number of series.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from anomaly.influxdb.client import InfluxClient
from anomaly.influxdb.influxql import between, by_tags, identifier, literal, of_series
from anomaly.influxdb.times import TimeRange
from anomaly.nanoseconds import DAY_NS, MS_NS
from anomaly.pipeline import Pipeline
from anomaly.windows.arrays import Key
from anomaly.windows.cut import cut_of

# The most steps of a plot, periods of a pipeline, plotted series and plotted fields of a series.
MOST_STEPS = 480
MOST_PERIODS = 2_000
MOST_SERIES = 8
MOST_FIELDS = 6
# A period that began before the range is looked for so far back.
_BACK_NS = 90 * DAY_NS
_PERIOD_FIELDS = ("end_ms", "state", "peak_severity", "points", "reason", "text")


@dataclass(frozen=True, slots=True)
class ReportedPeriod:
    """A period that lies on some of the range.

    Attributes:
        key: the values of the series' tags.
        begin_ns: its begin.
        end_ns: its end; of an open one the end of the range.
        is_open: whether it was open when it was read.
        peak_severity: its highest severity, 0 to 100.
        windows: how many windows it has.
        reason: the field with the largest share, a limit, or `no data`.
        text: the sentence of its alert.
    """

    key: Key
    begin_ns: int
    end_ns: int
    is_open: bool
    peak_severity: float
    windows: int
    reason: str
    text: str


@dataclass(frozen=True, slots=True)
class ReportedSeries:
    """A series with the highest severity that it had in the range.

    Attributes:
        key: the values of its tags.
        worst: the severity; None if the series has no score in the range.
    """

    key: Key
    worst: float | None


@dataclass(frozen=True, slots=True)
class RangeOverview:
    """What the results say of a pipeline, all series together.

    Attributes:
        pipeline: the pipeline.
        span: the range.
        windows: how many windows were scored.
        anomalous: how many of them belonged to a period.
        series: how many series have a score.
        worst: the highest severity; None without scores.
        periods: the newest MOST_PERIODS periods, the worst first.
        all_periods: how many periods there are.
        worst_series: up to MOST_SERIES series, the worst first.
    """

    pipeline: Pipeline
    span: TimeRange
    windows: int
    anomalous: int
    series: int
    worst: float | None
    periods: tuple[ReportedPeriod, ...]
    all_periods: int
    worst_series: tuple[ReportedSeries, ...]

    @property
    def is_empty(self) -> bool:
        """Whether there are neither scores nor periods."""
        return not self.windows and not self.all_periods


@dataclass(frozen=True, slots=True)
class Step:
    """A step of a plot.

    Attributes:
        begin_ns: its begin.
        end_ns: its end, which a clock that changes makes earlier or later than the nominal one.
        severity: the highest severity; None without scores.
        values: of each field the lowest and the highest value, and the mean of both ends of its expected range; None
            where the results have none.
        contributions: the highest contribution of each field, 0 to 1; empty where they were not asked for.
    """

    begin_ns: int
    end_ns: int
    severity: float | None
    values: Mapping[str, tuple[float | None, float | None, float | None, float | None]]
    contributions: Mapping[str, float | None] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class SeriesPlot:
    """What is plotted of a series.

    Attributes:
        series: the series.
        fields: the plotted fields.
        left_out: how many fields are not plotted.
        step_ns: the nominal length of a step.
        steps: the steps that have scores, by time.
        periods: its periods.
    """

    series: ReportedSeries
    fields: tuple[str, ...]
    left_out: int
    step_ns: int
    steps: tuple[Step, ...]
    periods: tuple[ReportedPeriod, ...]


def read_overview(influx: InfluxClient, database: str, pipeline: Pipeline, span: TimeRange) -> RangeOverview:
    """Read what the results say of a pipeline.

    Args:
        influx: the server that holds the results.
        database: the results database.
        pipeline: the pipeline, its patterns resolved.
        span: the range, window edges.

    Raises:
        InfluxClientError: InfluxDB cannot be asked, or refused.
    """
    where = f'"pipeline" = {literal(pipeline.name)} AND {between(span.begin_ns, span.end_ns)}'
    totals = f'SELECT count("severity"), sum("label"), max("severity") FROM "score" WHERE {where}'
    windows, anomalous, worst = next(_rows(influx, database, totals), (0, None, 0, None))[1:]
    series, worst_series = 0, list[ReportedSeries]()
    if windows:
        series, worst_series = _series(influx, database, pipeline, where)
    all_periods, periods = read_periods(influx, database, pipeline, span)
    ranked = {period.key: None for period in periods} | {each.key: None for each in worst_series}
    severities = {each.key: each.worst for each in worst_series}
    return RangeOverview(
        pipeline,
        span,
        int(windows or 0),
        int(anomalous or 0),
        series,
        worst,
        tuple(periods),
        all_periods,
        tuple(ReportedSeries(key, severities.get(key)) for key in list(ranked)[:MOST_SERIES]),
    )


def _series(influx: InfluxClient, database: str, pipeline: Pipeline, where: str) -> tuple[int, list[ReportedSeries]]:
    """Return how many series have a score, and the worst of them, the worst first."""
    tags = pipeline.result_tags
    inner = f'SELECT max("severity") AS "worst" FROM "score" WHERE {where}'
    if not tags:
        (row,) = _rows(influx, database, inner)
        return 1, [ReportedSeries((), row[1])]
    inner = f"({inner} GROUP BY {by_tags(tags).removeprefix(', ')})"
    count = next(_rows(influx, database, f'SELECT count("worst") FROM {inner}'), (0, 0))[1]
    top = f'SELECT top("worst"{by_tags(tags)}, {MOST_SERIES}) FROM {inner}'
    series = [ReportedSeries(tuple(value or "" for value in row[2:]), row[1]) for row in _rows(influx, database, top)]
    return int(count or 0), sorted(series, key=lambda each: (-(each.worst or 0.0), each.key))


def read_periods(
    influx: InfluxClient, database: str, pipeline: Pipeline, span: TimeRange, key: Key | None = None
) -> tuple[int, list[ReportedPeriod]]:
    """Return how many periods lie on the range, and the newest MOST_PERIODS of them, the worst first.

    Args:
        influx: the server that holds the results.
        database: the results database.
        pipeline: the pipeline, its patterns resolved.
        span: the range; periods that began more than 90 days before it are not looked for.
        key: the only series to ask for; None: all series.

    Raises:
        InfluxClientError: InfluxDB cannot be asked, or refused.
    """
    where = (
        f'"pipeline" = {literal(pipeline.name)} AND {between(span.begin_ns - _BACK_NS, span.end_ns)}'
        f' AND ("end_ms" > {span.begin_ns // MS_NS} OR "state" = \'open\'){of_series(pipeline.result_tags, key)}'
    )
    count = next(_rows(influx, database, f'SELECT count("end_ms") FROM "period" WHERE {where}'), (0, 0))[1]
    selected = ", ".join(
        [*map(identifier, _PERIOD_FIELDS), *(f"{identifier(tag)}::tag" for tag in pipeline.result_tags)]
    )
    query = f'SELECT {selected} FROM "period" WHERE {where} ORDER BY time DESC LIMIT {MOST_PERIODS}'
    periods = []
    for begin_ns, end_ms, state, peak, points, reason, text, *values in _rows(influx, database, query):
        is_open = state == "open"
        end_ns = span.end_ns if is_open else int(end_ms) * MS_NS
        periods.append(
            ReportedPeriod(
                tuple(value or "" for value in values),
                begin_ns,
                end_ns,
                is_open,
                float(peak or 0.0),
                int(points or 0),
                reason or "",
                text or "",
            )
        )
    periods.sort(
        key=lambda period: (-period.peak_severity, period.begin_ns - period.end_ns, period.begin_ns, period.key)
    )
    return int(count or 0), periods


def read_plot(influx: InfluxClient, database: str, overview: RangeOverview, series: ReportedSeries) -> SeriesPlot:
    """Read what is plotted of a series.

    Args:
        influx: the server that holds the results.
        database: the results database.
        overview: the pipeline's overview.
        series: the series.

    Raises:
        InfluxClientError: InfluxDB cannot be asked, or refused.
    """
    pipeline, span = overview.pipeline, overview.span
    periods = tuple(period for period in overview.periods if period.key == series.key)
    fields = chosen_fields(pipeline.fields, [period.reason for period in periods])
    step_ns, steps = read_steps(influx, database, pipeline, span, series.key, fields)
    return SeriesPlot(series, fields, len(pipeline.fields) - len(fields), step_ns, steps, periods)


def read_steps(
    influx: InfluxClient,
    database: str,
    pipeline: Pipeline,
    span: TimeRange,
    key: Key,
    fields: Sequence[str],
    most: int = MOST_STEPS,
    *,
    with_contributions: bool = False,
) -> tuple[int, tuple[Step, ...]]:
    """Read the results of a series in steps, each with its lowest and its highest values.

    Where the length of windows changes with a clock, the steps begin anew.

    Args:
        influx: the server that holds the results.
        database: the results database.
        pipeline: the pipeline, its patterns resolved.
        span: the range, window edges.
        key: the series.
        fields: the fields to read.
        most: how many steps there may be at most.
        with_contributions: whether to read the fields' contributions, too.

    Returns:
        The nominal length of a step in nanoseconds, a multiple of the window, and the steps that have scores, by time.

    Raises:
        InfluxClientError: InfluxDB cannot be asked, or refused.
    """
    cut = cut_of(pipeline)
    stretches = cut.stretches(span.begin_ns, span.end_ns)
    # The last step of a stretch may be shorter than others, so each further stretch may take a step more.
    room = max(most + 1 - len(stretches), 1)
    each = max(-(-cut.windows(span.begin_ns, span.end_ns) // room), 1)
    selected = ['max("severity")']
    for name in fields:
        value, low, high = (identifier(f"{part}_{name}") for part in ("value", "expected_low", "expected_high"))
        selected += [f"min({value})", f"max({value})", f"mean({low})", f"mean({high})"]
        selected += [f"max({identifier(f'contribution_{name}')})"] if with_contributions else []
    rows: list[tuple[int, Sequence[Any]]] = []
    for first_ns, last_ns, window_ns in stretches:
        length_ns = each * window_ns
        query = (
            f'SELECT {", ".join(selected)} FROM "score" WHERE "pipeline" = {literal(pipeline.name)}'
            f" AND {between(first_ns, last_ns)}{of_series(pipeline.result_tags, key)}"
            f" GROUP BY time({length_ns}ns, {first_ns % length_ns}ns) fill(none)"
        )
        rows += ((min(row[0] + length_ns, last_ns), row) for row in _rows(influx, database, query))
    width = 5 if with_contributions else 4
    steps = []
    for end_ns, (begin_ns, severity, *numbers) in rows:
        parts = [numbers[at : at + width] for at in range(0, len(numbers), width)]
        values = {name: tuple(part[:4]) for name, part in zip(fields, parts, strict=True)}
        shares = {name: part[4] for name, part in zip(fields, parts, strict=True)} if with_contributions else {}
        steps.append(Step(begin_ns, end_ns, severity, values, shares))
    return each * pipeline.window_ns, tuple(steps)


def step_begins(pipeline: Pipeline, span: TimeRange, step_ns: int) -> list[int]:
    """Return the begins of all steps of a range, those without scores included.

    Args:
        pipeline: the pipeline.
        span: the range, window edges.
        step_ns: the length of a step, as `read_steps` returns it.
    """
    each = step_ns // pipeline.window_ns
    stretches = cut_of(pipeline).stretches(span.begin_ns, span.end_ns)
    return [at_ns for first_ns, last_ns, window_ns in stretches for at_ns in range(first_ns, last_ns, each * window_ns)]


def chosen_fields(fields: Sequence[str], reasons: Sequence[str]) -> tuple[str, ...]:
    """Return the fields that are plotted: those that were the reason of a period first, then the others.

    Args:
        fields: the fields of the pipeline.
        reasons: the reasons of periods, the worst first; a limit's begins with its field.
    """
    # The longest name first: `bed` is not the reason of `bed_left above 95`.
    by_length = sorted(fields, key=len, reverse=True)
    named = [next((field for field in by_length if reason.startswith(field)), None) for reason in reasons]
    ordered = dict.fromkeys([*(field for field in named if field is not None), *fields])
    return tuple(list(ordered)[:MOST_FIELDS])


def _rows(influx: InfluxClient, database: str, query: str) -> Iterator[Sequence[Any]]:
    for chunk in influx.query(query, database):
        yield from chunk.rows
