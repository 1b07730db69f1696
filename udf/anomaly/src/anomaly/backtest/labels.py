"""What is known to have happened: labels, read from CSV or JSON.

CSV has a header, JSON is a list of objects (or an object with one, under `labels` or, as the dummy printers' ground
truth has it, `faults`). `begin` and `end` (or `from` and `to`) are RFC 3339 times, end exclusive; a `kind` is counted
for itself; what is named like a tag of the pipeline's `group_by` says which series is meant, and if it is absent or
empty, any is. Other columns are left alone.
"""

import csv
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from anomaly.scoring import Key
from anomaly.spec import Pipeline, SpecError
from anomaly.training.range import moment

_BEGIN = ("begin", "from")
_END = ("end", "to")
_LISTS = ("labels", "faults")


@dataclass(frozen=True, slots=True)
class Label:
    """[begin_ns, end_ns) of the series that have these `tags`; a kind, or an empty one."""

    begin_ns: int
    end_ns: int
    tags: Mapping[str, str]
    kind: str = ""

    def means(self, group_by: Iterable[str], key: Key) -> bool:
        """Whether it is about the series `key`, the tags of which are `group_by`."""
        return all(self.tags.get(tag, value) == value for tag, value in zip(group_by, key, strict=True))


def read_labels(path: Path, pipeline: Pipeline) -> list[Label]:
    """The labels by begin. Raises SpecError, naming the file, the entry, the key and its value."""
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not UTF-8"
        raise SpecError([f"--labels: {path} cannot be read: {reason}"]) from None
    entries = _json(path, text) if path.suffix == ".json" else list(csv.DictReader(text.splitlines()))
    labels = [_label(f"--labels: {path}: entry {number}", entry, pipeline) for number, entry in enumerate(entries, 1)]
    return sorted(labels, key=lambda label: label.begin_ns)


def _json(path: Path, text: str) -> list[Any]:
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
    if not isinstance(entry, dict):
        raise SpecError([f"{where}: {entry!r} is not an object with `begin` and `end`"])
    begin_ns, end_ns = (_time(where, entry, names) for names in (_BEGIN, _END))
    if begin_ns >= end_ns:
        raise SpecError([f"{where}: its end is not after its begin: {entry}"])
    tags = {tag: str(entry[tag]) for tag in pipeline.group_by if entry.get(tag)}
    return Label(begin_ns, end_ns, tags, str(entry.get("kind") or ""))


def _time(where: str, entry: Mapping[str, Any], names: tuple[str, ...]) -> int:
    name = next((name for name in names if entry.get(name)), None)
    if name is None:
        raise SpecError([f"{where}: has no `{names[0]}`: write an RFC 3339 time, such as 2024-01-01T00:00:00Z"])
    return moment(str(entry[name]), f"{where}: {name}")
