"""Reads schedules of faults from YAML, checks them, and places them in time.

A file holds a list of entries::

    - kind: offset        # sigma, offset, spike, drift, stuck or gap; a process may know more
      printer: 1          # the process's name, and a device's number, or all
      fields: [bed]       # one, several, or all
      at: 3h              # after the stream's start
      for: 10m
      strength: 6         # its size, in the unit of its kind

The meaning of ``strength`` depends on the kind. For ``sigma`` it is a factor on the noise. For ``offset``, ``spike``
and ``drift`` it is a height in units of the field's sigma; a negative one goes down. A spike rises linearly to the
height and falls back, and a drift rises to it and ends at once. ``stuck`` repeats the value that it began with, and
``gap`` writes no value; these two have no strength.

Heat pumps know four more. ``replay`` shows what the sensor showed ``strength`` hours before: each value is usual, and
does not fit the others. Sources of series of every kind (`ingest.kinds`) know it, too. ``leak``, ``filter`` and
``valve`` are of the whole machine (`ingest.heatpump`), so such an entry has no ``fields``.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import yaml

from ingest.errors import IngestError
from ingest.printer import PRINTERS
from ingest.process import SENSOR_KINDS, Process
from ingest.times import format_duration, parse_duration

WITHOUT_STRENGTH = ("stuck", "gap")


@dataclass(frozen=True)
class Entry:
    """One entry of a schedule, relative to the stream's start.

    Attributes:
        number: the entry's place in the file, from 1.
        kind: one of the process's kinds.
        device: the number of its device, from 1; None for all devices.
        fields: the names of its fields.
        at_ms: milliseconds from the stream's start to the fault's begin.
        for_ms: how long the fault lasts, in milliseconds.
        strength: the fault's size in the unit of its kind; 0 for ``stuck`` and ``gap``.
    """

    number: int
    kind: str
    device: int | None
    fields: tuple[str, ...]
    at_ms: int
    for_ms: int
    strength: float


@dataclass(frozen=True)
class Fault:
    """A fault of one device in absolute time, the interval ``[begin_ms, end_ms)``.

    Attributes:
        id: the fault's name, such as F01.
        kind: one of the process's kinds.
        device: the number of its device, from 1.
        fields: the names of its fields.
        begin_ms: where it begins, in milliseconds since 1970.
        end_ms: where it ends, likewise.
        strength: the fault's size in the unit of its kind; 0 for ``stuck`` and ``gap``.
    """

    id: str
    kind: str
    device: int
    fields: tuple[str, ...]
    begin_ms: int
    end_ms: int
    strength: float


@dataclass(frozen=True)
class Schedule:
    """The entries of a file.

    Attributes:
        source: the file, for messages.
        entries: the entries, in the file's order.
        process: the process whose devices they are of.
    """

    source: str
    entries: tuple[Entry, ...]
    process: Process = PRINTERS

    def check(self, length_ms: int, devices: int) -> None:
        """Check that each entry fits into a stream.

        Args:
            length_ms: the stream's length, in milliseconds.
            devices: how many devices it has.

        Raises:
            IngestError: an entry ends after the stream, or names a device that the stream does not have.
        """
        name = self.process.name
        for entry in self.entries:
            where = f"{self.source}: entry {entry.number}"
            end_ms = entry.at_ms + entry.for_ms
            if end_ms > length_ms:
                raise IngestError(
                    f"{where}: ends at {format_duration(end_ms)} (at + for), after the stream's "
                    f"{format_duration(length_ms)}. Fix: a smaller 'at' or 'for', or a longer --length"
                )
            if entry.device is not None and entry.device > devices:
                raise IngestError(
                    f"{where}: {name}: {entry.device}, but the stream has {devices}. "
                    f"Fix: a number from 1 to {devices}, 'all', or a larger --{name}s"
                )

    def clipped(self, length_ms: int, devices: int) -> "Schedule":
        """Return the schedule without the entries that ``check`` refuses.

        Args:
            length_ms: the stream's length, in milliseconds.
            devices: how many devices it has.
        """
        fitting = (
            e for e in self.entries if e.at_ms + e.for_ms <= length_ms and (e.device is None or e.device <= devices)
        )
        return replace(self, entries=tuple(fitting))

    def place(self, begin_ms: int, devices: int) -> tuple[Fault, ...]:
        """Return the faults in absolute time, one for each device, by begin, named F01, F02, ...

        Args:
            begin_ms: the stream's start, in milliseconds since 1970.
            devices: how many devices it has.
        """
        placed = sorted(
            (
                (entry.at_ms, device, entry)
                for entry in self.entries
                for device in ([entry.device] if entry.device is not None else range(1, devices + 1))
            ),
            key=lambda item: item[:2],
        )
        return tuple(
            Fault(
                id=f"F{count:02d}",
                kind=entry.kind,
                device=device,
                fields=entry.fields,
                begin_ms=begin_ms + entry.at_ms,
                end_ms=begin_ms + entry.at_ms + entry.for_ms,
                strength=entry.strength,
            )
            for count, (_, device, entry) in enumerate(placed, start=1)
        )


def load_schedule(path: Path, process: Process = PRINTERS) -> Schedule:
    """Read a schedule.

    Args:
        path: the file; a name without a folder may also be that of a file in the process's ``schedules``.
        process: the process whose devices it is of.

    Raises:
        IngestError: it cannot be read, or an entry is wrong; the message names file, entry, key, value and fix.
    """
    if not path.exists() and path.parent == Path() and (process.schedules / path.name).exists():
        path = process.schedules / path.name
    try:
        document = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        shipped = ", ".join(sorted(p.name for p in process.schedules.glob("*.yml")))
        raise IngestError(f"{path}: {error.strerror}. Fix: name a readable file, or one of ours: {shipped}") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise IngestError(f"{path}: is not YAML: {error}") from error
    if document is None:
        document = []
    if not isinstance(document, list):
        raise IngestError(f"{path}: holds {_shown(document)}. Fix: a list of entries, each beginning with '- kind:'")
    entries = (_entry(process, str(path), number, item) for number, item in enumerate(document, start=1))
    return Schedule(str(path), tuple(entries), process)


def _entry(process: Process, source: str, number: int, item: Any) -> Entry:
    """Check and return one entry of a document. Raises IngestError, as the functions for its keys do."""
    where = f"{source}: entry {number}"
    keys = ("kind", process.name, "fields", "at", "for", "strength")
    if not isinstance(item, Mapping):
        raise IngestError(f"{where}: is {_shown(item)}. Fix: keys and values: {', '.join(keys)}")
    for key in item:
        if key not in keys:
            raise IngestError(f"{where}: unknown key {key!r}. Fix: one of {', '.join(keys)}")
    kind: Any = item.get("kind")
    if "kind" in item and kind not in process.kinds:
        raise _wrong(where, "kind", kind, f"one of {', '.join(process.kinds)}")
    of_device = any(each.name == kind and each.of_device for each in process.more_kinds)
    for key in ("kind", process.name, *(() if of_device else ("fields",)), "at", "for"):
        if key not in item:
            raise IngestError(f"{where}: the key '{key}' is missing. Fix: add it; an entry has {', '.join(keys)}")
    if of_device and "fields" in item:
        raise _wrong(where, "fields", item["fields"], f"none, since a {kind} is of the whole device: remove the key")
    return Entry(
        number=number,
        kind=kind,
        device=_device(where, process, item[process.name]),
        fields=process.fields if of_device else _fields(where, process, item["fields"]),
        at_ms=_duration(where, "at", item["at"], smallest_ms=0),
        for_ms=_duration(where, "for", item["for"], smallest_ms=1),
        strength=_strength(where, process, kind, item),
    )


def _device(where: str, process: Process, value: Any) -> int | None:
    if value == "all":
        return None
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise _wrong(where, process.name, value, "a number from 1, or all")
    return value


def _fields(where: str, process: Process, value: Any) -> tuple[str, ...]:
    known = f"some of {', '.join(process.fields)}, or all"
    if value == "all":
        return process.fields
    names = [value] if isinstance(value, str) else value
    if not isinstance(names, Sequence) or not names:
        raise _wrong(where, "fields", value, known)
    for name in names:
        if name not in process.fields:
            raise _wrong(where, "fields", name, known)
    return tuple(name for name in process.fields if name in names)


def _duration(where: str, key: str, value: Any, smallest_ms: int) -> int:
    # YAML reads a bare 0 as a number, and 0 does not need a unit.
    if value == 0 and not isinstance(value, bool) and smallest_ms == 0:
        return 0
    try:
        duration = parse_duration(value)
    except ValueError as error:
        raise IngestError(f"{where}: {key}: {error}") from error
    if duration < smallest_ms:
        raise _wrong(where, key, value, "a duration longer than nothing")
    return duration


def _strength(where: str, process: Process, kind: str, item: Mapping[str, Any]) -> float:
    value = item.get("strength")
    if kind in WITHOUT_STRENGTH:
        if value is not None:
            raise _wrong(where, "strength", value, f"none, since a {kind} has no strength: remove the key")
        return 0.0
    if value is None:
        raise IngestError(f"{where}: the key 'strength' is missing. Fix: add it; a {kind} needs one")
    number = isinstance(value, int | float) and not isinstance(value, bool)
    if kind in SENSOR_KINDS:
        if not number or math.isnan(value) or abs(value) > 1e6 or value == 0 or (kind == "sigma" and value < 0):
            positive = "a number above 0 (the factor on the noise)"
            raise _wrong(where, "strength", value, positive if kind == "sigma" else "a number other than 0, in sigmas")
        return float(value)
    (more,) = [each for each in process.more_kinds if each.name == kind]
    if not number or not 0 < value <= more.most:
        raise _wrong(where, "strength", value, f"a number above 0, at most {more.most:g}: {more.unit}")
    return float(value)


def _wrong(where: str, key: str, value: Any, fix: str) -> IngestError:
    return IngestError(f"{where}: {key}: {_shown(value)} won't do. Fix: {fix}")


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."


def of_device(faults: Iterable[Fault], number: int) -> tuple[Fault, ...]:
    """Return the faults of one device.

    Args:
        faults: the faults of all devices.
        number: the device's number.
    """
    return tuple(fault for fault in faults if fault.device == number)
