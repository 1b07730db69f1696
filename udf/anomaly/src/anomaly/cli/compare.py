"""`anomaly models compare`: compares the shadow's results in InfluxDB with those of the current model."""

import argparse
import time
from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

from anomaly.backtest.comparison import ComparedPeriod, Comparison, ModelResults, compare
from anomaly.cli import codes
from anomaly.cli.common import UsageError, connect, out, result
from anomaly.counted import counted
from anomaly.influxdb.client import InfluxClient
from anomaly.influxdb.influxql import results_query
from anomaly.influxdb.times import parse_time_or_age
from anomaly.models.store import Store
from anomaly.nanoseconds import MS_NS, rfc3339
from anomaly.refusal import Refused
from anomaly.serving.shadow import SUFFIX
from anomaly.windows.arrays import Key


def compared(options: argparse.Namespace) -> int:
    """Compare the shadow with the current model, and print the differences.

    Returns:
        The exit code.

    Raises:
        UsageError: no shadow is named or set, or a file cannot be read.
        StoreError: the models cannot be read.
        InfluxClientError: InfluxDB cannot be asked, or refused.
        Refused: no window was scored by both.
    """
    store = Store(options.models, options.pipeline)
    version = options.version or store.shadow()
    if version is None:
        raise UsageError(
            f"pipeline {options.pipeline} has no shadow version: start one with `anomaly models shadow`, or name the "
            "version of one that there was"
        )
    now_ns = time.time_ns()
    bounds = [
        parse_time_or_age(text, name, now_ns) for text, name in ((options.begin, "--from"), (options.end, "--to"))
    ]
    influx = connect(options)
    current = _side(influx, options, "", None, bounds)
    shadow = _side(influx, options, SUFFIX, version, bounds)
    try:
        comparison = compare(current, shadow)
    except ValueError as error:
        raise Refused(
            f"pipeline {options.pipeline}: {error} from {rfc3339(bounds[0])} to {rfc3339(bounds[1])} "
            f"({len(current.scores)} by the current one, {len(shadow.scores)} by {version}): choose another range "
            "(--from, --to), or wait until the shadow has scored"
        ) from None
    if options.json:
        result({"pipeline": options.pipeline, "shadow": version, **asdict(comparison)})
    else:
        for line in _lines(options.pipeline, version, comparison):
            out(line)
    return codes.DONE


def _side(
    influx: InfluxClient, options: argparse.Namespace, suffix: str, version: str | None, bounds: list[int]
) -> ModelResults:
    """Read the scores and periods of one model; `suffix` is that of its measurements."""
    side = ModelResults()
    for key, row in _rows(influx, options, f"score{suffix}", ["severity", "label"], version, bounds):
        time_ns, severity, label = row
        side.scores[key, time_ns] = float(severity), bool(label)
    fields = ["begin_ms", "end_ms", "peak_severity", "reason"]
    for key, row in _rows(influx, options, f"period{suffix}", fields, version, bounds):
        _, begin, end, peak, reason = row
        side.periods.append(ComparedPeriod(key, int(begin), int(end), float(peak), str(reason)))
    return side


def _rows(
    influx: InfluxClient,
    options: argparse.Namespace,
    measurement: str,
    fields: list[str],
    version: str | None,
    bounds: list[int],
) -> Iterator[tuple[Key, list[Any]]]:
    """Yield each row of a measurement, time first, with the key of its series."""
    query = results_query(measurement, fields, options.pipeline, bounds[0], bounds[1], version)
    for part in influx.query(query, options.results_database):
        key = tuple(part.tags[tag] for tag in sorted(part.tags) if tag != "pipeline")
        for row in part.rows:
            yield key, row


def _lines(pipeline: str, version: str, comparison: Comparison) -> Iterator[str]:
    """Yield the comparison as lines for people."""
    both, current, shadow = comparison.anomalous
    yield f"pipeline {pipeline}: the current model and {version}, on {counted(comparison.windows, 'window')}"
    yield f"scored by one only    {comparison.only_current} by the current one, {comparison.only_shadow} by the shadow"
    yield f"same label            {comparison.agreement:.3%} of the windows"
    yield f"anomalous to both     {both}; to the current one alone {current}, to the shadow alone {shadow}"
    for quantile, (one, other) in comparison.quantiles.items():
        name = "largest severity" if quantile == 1.0 else f"severity, {quantile:.1%}"
        yield f"{name:<21} {one:.1f} and {other:.1f}"
    yield f"periods of both       {comparison.periods}"
    for whose, spans in (("current", comparison.current_periods), ("shadow", comparison.shadow_periods)):
        for span in spans:
            series = ", ".join(span.series) or "the series"
            yield (
                f"only {whose:<16} {rfc3339(span.begin_ms * MS_NS)} to {rfc3339(span.end_ms * MS_NS)} of {series}, "
                f"severity {span.peak:.0f}, {span.reason}"
            )
