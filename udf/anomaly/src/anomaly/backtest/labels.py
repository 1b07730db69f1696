"""Reads the labels of a backtest from a file of CSV or JSON, or makes them of the marks of feedback.

CSV has a header. JSON is a list of objects, or an object that holds the list under `labels` or, as in the dummy
printers' ground truth, under `faults`. `begin` and `end` (or `from` and `to`) are RFC 3339 times, end exclusive. The
report also counts each `kind` separately. A column that is named like a tag of the pipeline's `group_by` names the
series, and a label without a value there is of any series. Other columns are ignored. A file names everything that
happened.

Marks name a part of what happened: a confirmed period is a label, and a false alarm is known not to have happened.
Periods that neither of them meets stay unjudged.
"""

import csv
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from anomaly.influxdb.times import parse_time
from anomaly.pipeline import Pipeline, SpecError
from anomaly.scoring.feedback import FALSE_ALARM, TRUE, Mark
from anomaly.windows.arrays import Key

_BEGIN = ("begin", "from")
_END = ("end", "to")
_LISTS = ("labels", "faults")


@dataclass(frozen=True, slots=True)
class Label:
    """An event that is known to have happened, as the interval `[begin_ns, end_ns)`.

    Attributes:
        begin_ns: where it begins, in nanoseconds since 1970.
        end_ns: where it ends, likewise.
        tags: the tags that its series have; empty for all series.
        kind: its kind; empty if it has none.
    """

    begin_ns: int
    end_ns: int
    tags: Mapping[str, str]
    kind: str = ""

    def means(self, group_by: Iterable[str], key: Key) -> bool:
        """Check whether the label is of a series.

        Args:
            group_by: the names of the series' tags.
            key: the values of these tags.
        """
        return self.tags.items() <= dict(zip(group_by, key, strict=True)).items()


@dataclass(frozen=True, slots=True)
class Truth:
    """The labels and the known false alarms.

    Attributes:
        labels: the events that happened, by begin.
        false_alarms: intervals of periods that were false alarms.
        complete: whether the labels name everything that happened.
    """

    labels: tuple[Label, ...] = ()
    false_alarms: tuple[Label, ...] = ()
    complete: bool = True

    def within(self, begin_ns: int, end_ns: int) -> "Truth":
        """Return the labels and false alarms that overlap `[begin_ns, end_ns)`."""
        labels, false_alarms = (
            tuple(label for label in each if label.begin_ns < end_ns and label.end_ns > begin_ns)
            for each in (self.labels, self.false_alarms)
        )
        return replace(self, labels=labels, false_alarms=false_alarms)

    def __len__(self) -> int:
        return len(self.labels) + len(self.false_alarms)


def of_marks(marks: Iterable[Mark], pipeline: Pipeline) -> Truth:
    """Make labels of confirmed periods and of false alarms; marks of maintenance do not count.

    Args:
        marks: marks of feedback, oldest first.
        pipeline: the pipeline; marks name the series' tags as results do, and labels as the source does.
    """
    marks = list(marks)
    names = dict(zip(pipeline.result_tags, pipeline.group_by, strict=True))
    labels, false_alarms = (
        tuple(Label(mark.begin_ns, mark.end_ns, _renamed(mark.series, names)) for mark in marks if mark.kind == kind)
        for kind in (TRUE, FALSE_ALARM)
    )
    return Truth(labels, false_alarms, complete=False)


def _renamed(tags: Mapping[str, str], names: Mapping[str, str]) -> dict[str, str]:
    return {names.get(tag, tag): value for tag, value in tags.items()}


def read_labels(path: Path, pipeline: Pipeline) -> Truth:
    """Read the labels of a file.

    Args:
        path: the file; JSON if it ends in `.json`, CSV otherwise.
        pipeline: the pipeline; its `group_by` names the columns of tags.

    Raises:
        SpecError: the file cannot be read, or an entry is not a label; it names the entry, the key and its value.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not UTF-8"
        raise SpecError([f"--labels: {path} cannot be read: {reason}"]) from None
    entries = _json(path, text) if path.suffix == ".json" else list(csv.DictReader(text.splitlines()))
    labels = [_label(f"--labels: {path}: entry {number}", entry, pipeline) for number, entry in enumerate(entries, 1)]
    return Truth(tuple(sorted(labels, key=lambda label: label.begin_ns)))


def _json(path: Path, text: str) -> list[Any]:
    """Return the list of labels in a text of JSON."""
    try:
        content = json.loads(text)
    except ValueError as error:
        raise SpecError([f"--labels: {path} is not JSON ({error}); CSV needs another suffix than .json"]) from None
    if isinstance(content, dict):
        content = next((content[name] for name in _LISTS if name in content), content)
    if not isinstance(content, list):
        raise SpecError([f'--labels: {path} has no list of labels: write [{{"begin": ..., "end": ...}}, ...]'])
    return content


def _label(where: str, entry: Any, pipeline: Pipeline) -> Label:
    """Make a label of one entry; `where` names it in messages."""
    if not isinstance(entry, dict):
        raise SpecError([f"{where}: {entry!r} is not an object with `begin` and `end`"])
    begin_ns, end_ns = (_time(where, entry, names) for names in (_BEGIN, _END))
    if begin_ns >= end_ns:
        raise SpecError([f"{where}: its end is not after its begin: {entry}"])
    tags = {tag: str(entry[tag]) for tag in pipeline.group_by if entry.get(tag)}
    return Label(begin_ns, end_ns, tags, str(entry.get("kind") or ""))


def _time(where: str, entry: Mapping[str, Any], names: tuple[str, ...]) -> int:
    """Return the time under the first of these names that an entry has, in nanoseconds since 1970."""
    name = next((name for name in names if entry.get(name)), None)
    if name is None:
        raise SpecError([f"{where}: has no `{names[0]}`: write an RFC 3339 time, such as 2024-01-01T00:00:00Z"])
    return parse_time(str(entry[name]), f"{where}: {name}")
