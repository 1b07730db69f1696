"""`anomaly feedback`: keeps marks of feedback in InfluxDB, and hands them to the running UDFs."""

import argparse
import time

from anomaly.cli import codes
from anomaly.cli.common import UsageError, choose, connect, out, read_pipelines, result, say
from anomaly.influxdb.marks import REMOVED, hand_marks_over, keep_mark, read_feedback
from anomaly.influxdb.times import parse_time_or_age
from anomaly.models.store import Store
from anomaly.nanoseconds import rfc3339
from anomaly.pipeline import Pipeline, normalize
from anomaly.pipeline.result_tags import result_tag
from anomaly.scoring.feedback import FALSE_ALARM, Mark


def feedback(options: argparse.Namespace) -> int:
    """Add, list, remove or synchronize marks, as the options say.

    Returns:
        The exit code.

    Raises:
        SpecError: the specification, or a time, is not valid.
        UsageError: the options do not go together, or there is no such mark.
        StoreError: the models cannot be read, or the file of marks cannot be written.
        InfluxClientError: InfluxDB cannot be asked, or refused.
    """
    pipeline = _pipeline(options)
    options.pipeline = pipeline.name
    influx = connect(options)
    database = options.results_database
    answer: dict[str, object] = {"pipeline": pipeline.name}
    if options.action == "list":
        for mark in read_feedback(influx, database, pipeline):
            out(_line(mark))
        return codes.DONE
    if options.action == "add":
        mark = _mark(options, pipeline)
        marks = keep_mark(influx, database, options.models, pipeline, mark)
        answer |= {"status": "added", "id": mark.id}
    elif options.action == "remove":
        mark = _find(read_feedback(influx, database, pipeline), options.id)
        marks = keep_mark(influx, database, options.models, pipeline, mark, REMOVED)
        answer |= {"status": "removed", "id": mark.id}
    else:
        marks = hand_marks_over(influx, database, options.models, pipeline)
    for mark in marks:
        if mark.kind == FALSE_ALARM and mark.appearance is None:
            say(f"{_line(mark)}: no window in it was anomalous, so there is nothing to suppress")
    result({"status": "synchronized", **answer, "marks": len(marks)})
    return codes.DONE


def _pipeline(options: argparse.Namespace) -> Pipeline:
    """Return the pipeline of the specification, or without one, that of the current model's manifest."""
    if options.spec is not None:
        return choose(read_pipelines(options.spec), options.pipeline)
    if options.pipeline is None:
        raise UsageError("name the pipeline with --pipeline, or give its specification with --spec")
    store = Store(options.models, options.pipeline)
    version = store.current()
    if version is None:
        raise UsageError(
            f"pipeline {options.pipeline} has no current model that would say what it is: give its specification with "
            "--spec"
        )
    return normalize([store.manifest(version).specification])[0]


def _mark(options: argparse.Namespace, pipeline: Pipeline) -> Mark:
    """Make the mark that the options describe."""
    now_ns = time.time_ns()
    begin_ns = parse_time_or_age(options.begin, "--from", now_ns)
    end_ns = parse_time_or_age(options.end, "--to", now_ns)
    if begin_ns >= end_ns:
        raise UsageError(f"--from: {options.begin} is not before --to ({options.end}): a mark has some length")
    series = dict(_tag(text, pipeline) for text in options.series)
    return Mark(options.kind, begin_ns, end_ns, series, options.note)


def _tag(text: str, pipeline: Pipeline) -> tuple[str, str]:
    """Split TAG=VALUE, with the tag as results name it. Raises UsageError if the pipeline's series have no such tag."""
    name, equals, value = text.partition("=")
    if name in pipeline.result_tags and value:
        return name, value
    if not equals or not value or name not in pipeline.group_by:
        known = ", ".join(f"{tag}=..." for tag in pipeline.group_by) or "nothing, as the pipeline has one series"
        raise UsageError(f"--series: {text!r} is not a tag of the pipeline's series: write {known}")
    return result_tag(name), value


def _find(marks: list[Mark], mark_id: str) -> Mark:
    """Return the mark with an id. Raises UsageError if there is none."""
    for mark in marks:
        if mark.id == mark_id:
            return mark
    raise UsageError(f"there is no mark {mark_id!r}: `anomaly feedback list` shows what there is")


def _line(mark: Mark) -> str:
    """Return a mark as a line for people."""
    series = ", ".join(f"{name}={value}" for name, value in mark.series.items()) or "all series"
    note = f"  {mark.note}" if mark.note else ""
    return f"{mark.id}  {mark.kind:<11}  {rfc3339(mark.begin_ns)} to {rfc3339(mark.end_ns)}  {series}{note}"
