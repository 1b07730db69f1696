"""Reads schedules of faults from YAML, checks them, and places them in time.

A file holds a list of entries::

    - kind: offset        # sigma, offset, spike, drift, stuck or gap
      printer: 1          # a number, or all
      fields: [bed]       # one, several, or all
      at: 3h              # after the stream's start
      for: 10m
      strength: 6         # its size, in the unit of its kind

The meaning of ``strength`` depends on the kind. For ``sigma`` it is a factor on the noise. For ``offset``, ``spike``
and ``drift`` it is a height in units of the field's sigma; a negative one goes down. A spike rises linearly to the
height and falls back, and a drift rises to it and ends at once. ``stuck`` repeats the value that it began with, and
``gap`` writes no value; these two have no strength.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from ingest.errors import IngestError
from ingest.printer import FIELD_NAMES
from ingest.times import format_duration, parse_duration

KINDS = ("sigma", "offset", "spike", "drift", "stuck", "gap")
WITHOUT_STRENGTH = ("stuck", "gap")
SCHEDULES = Path(__file__).parent / "faults"
"""The schedules that come with this package."""

_REQUIRED = ("kind", "printer", "fields", "at", "for")
_KEYS = (*_REQUIRED, "strength")


@dataclass(frozen=True)
class Entry:
    """One entry of a schedule, relative to the stream's start.

    Attributes:
        number: the entry's place in the file, from 1.
        kind: one of ``KINDS``.
        printer: the number of its printer, from 1; None for all printers.
        fields: the names of its fields.
        at_ms: milliseconds from the stream's start to the fault's begin.
        for_ms: how long the fault lasts, in milliseconds.
        strength: the fault's size in the unit of its kind; 0 for ``stuck`` and ``gap``.
    """

    number: int
    kind: str
    printer: int | None
    fields: tuple[str, ...]
    at_ms: int
    for_ms: int
    strength: float


@dataclass(frozen=True)
class Fault:
    """A fault of one printer in absolute time, the interval ``[begin_ms, end_ms)``.

    Attributes:
        id: the fault's name, such as F01.
        kind: one of ``KINDS``.
        printer: the number of its printer, from 1.
        fields: the names of its fields.
        begin_ms: where it begins, in milliseconds since 1970.
        end_ms: where it ends, likewise.
        strength: the fault's size in the unit of its kind; 0 for ``stuck`` and ``gap``.
    """

    id: str
    kind: str
    printer: int
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
    """

    source: str
    entries: tuple[Entry, ...]

    def check(self, length_ms: int, printers: int) -> None:
        """Check that each entry fits into a stream.

        Args:
            length_ms: the stream's length, in milliseconds.
            printers: how many printers it has.

        Raises:
            IngestError: an entry ends after the stream, or names a printer that the stream does not have.
        """
        for entry in self.entries:
            where = f"{self.source}: entry {entry.number}"
            end_ms = entry.at_ms + entry.for_ms
            if end_ms > length_ms:
                raise IngestError(
                    f"{where}: ends at {format_duration(end_ms)} (at + for), after the stream's "
                    f"{format_duration(length_ms)}. Fix: a smaller 'at' or 'for', or a longer --length"
                )
            if entry.printer is not None and entry.printer > printers:
                raise IngestError(
                    f"{where}: printer: {entry.printer}, but the stream has {printers}. "
                    f"Fix: a number from 1 to {printers}, 'all', or a larger --printers"
                )

    def clipped(self, length_ms: int, printers: int) -> "Schedule":
        """Return the schedule without the entries that ``check`` refuses.

        Args:
            length_ms: the stream's length, in milliseconds.
            printers: how many printers it has.
        """
        fitting = (
            e for e in self.entries if e.at_ms + e.for_ms <= length_ms and (e.printer is None or e.printer <= printers)
        )
        return Schedule(self.source, tuple(fitting))

    def place(self, start_ms: int, printers: int) -> tuple[Fault, ...]:
        """Return the faults in absolute time, one for each printer, by begin, named F01, F02, ...

        Args:
            start_ms: the stream's start, in milliseconds since 1970.
            printers: how many printers it has.
        """
        placed = sorted(
            (
                (entry.at_ms, printer, entry)
                for entry in self.entries
                for printer in ([entry.printer] if entry.printer is not None else range(1, printers + 1))
            ),
            key=lambda item: item[:2],
        )
        return tuple(
            Fault(
                id=f"F{count:02d}",
                kind=entry.kind,
                printer=printer,
                fields=entry.fields,
                begin_ms=start_ms + entry.at_ms,
                end_ms=start_ms + entry.at_ms + entry.for_ms,
                strength=entry.strength,
            )
            for count, (_, printer, entry) in enumerate(placed, start=1)
        )


NO_FAULTS = Schedule("none", ())


def load_schedule(path: Path) -> Schedule:
    """Read a schedule.

    Args:
        path: the file; a name without a folder may also be that of a file in ``SCHEDULES``.

    Raises:
        IngestError: it cannot be read, or an entry is wrong; the message names file, entry, key, value and fix.
    """
    if not path.exists() and path.parent == Path() and (SCHEDULES / path.name).exists():
        path = SCHEDULES / path.name
    try:
        document = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        shipped = ", ".join(sorted(p.name for p in SCHEDULES.glob("*.yml")))
        raise IngestError(f"{path}: {error.strerror}. Fix: name a readable file, or one of ours: {shipped}") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise IngestError(f"{path}: is not YAML: {error}") from error
    if document is None:
        document = []
    if not isinstance(document, list):
        raise IngestError(f"{path}: holds {_shown(document)}. Fix: a list of entries, each beginning with '- kind:'")
    return Schedule(str(path), tuple(_entry(str(path), number, item) for number, item in enumerate(document, start=1)))


def _entry(source: str, number: int, item: Any) -> Entry:
    """Check and return one entry of a document. Raises IngestError, as the functions for its keys do."""
    where = f"{source}: entry {number}"
    if not isinstance(item, Mapping):
        raise IngestError(f"{where}: is {_shown(item)}. Fix: keys and values: {', '.join(_KEYS)}")
    for key in item:
        if key not in _KEYS:
            raise IngestError(f"{where}: unknown key {key!r}. Fix: one of {', '.join(_KEYS)}")
    for key in _REQUIRED:
        if key not in item:
            raise IngestError(f"{where}: the key '{key}' is missing. Fix: add it; an entry has {', '.join(_KEYS)}")
    kind = item["kind"]
    if kind not in KINDS:
        raise _wrong(where, "kind", kind, f"one of {', '.join(KINDS)}")
    return Entry(
        number=number,
        kind=kind,
        printer=_printer(where, item["printer"]),
        fields=_fields(where, item["fields"]),
        at_ms=_duration(where, "at", item["at"], smallest_ms=0),
        for_ms=_duration(where, "for", item["for"], smallest_ms=1),
        strength=_strength(where, kind, item),
    )


def _printer(where: str, value: Any) -> int | None:
    if value == "all":
        return None
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise _wrong(where, "printer", value, "a number from 1, or all")
    return value


def _fields(where: str, value: Any) -> tuple[str, ...]:
    known = f"some of {', '.join(FIELD_NAMES)}, or all"
    if value == "all":
        return FIELD_NAMES
    names = [value] if isinstance(value, str) else value
    if not isinstance(names, Sequence) or not names:
        raise _wrong(where, "fields", value, known)
    for name in names:
        if name not in FIELD_NAMES:
            raise _wrong(where, "fields", name, known)
    return tuple(name for name in FIELD_NAMES if name in names)


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


def _strength(where: str, kind: str, item: Mapping[str, Any]) -> float:
    value = item.get("strength")
    if kind in WITHOUT_STRENGTH:
        if value is not None:
            raise _wrong(where, "strength", value, f"none, since a {kind} has no strength: remove the key")
        return 0.0
    if value is None:
        raise IngestError(f"{where}: the key 'strength' is missing. Fix: add it; a {kind} needs one")
    number = isinstance(value, int | float) and not isinstance(value, bool)
    if not number or math.isnan(value) or abs(value) > 1e6 or value == 0 or (kind == "sigma" and value < 0):
        what = "a number above 0 (the factor on the noise)" if kind == "sigma" else "a number other than 0, in sigmas"
        raise _wrong(where, "strength", value, what)
    return float(value)


def _wrong(where: str, key: str, value: Any, fix: str) -> IngestError:
    return IngestError(f"{where}: {key}: {_shown(value)} won't do. Fix: {fix}")


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."


def of_printer(faults: Iterable[Fault], number: int) -> tuple[Fault, ...]:
    """Return the faults of one printer.

    Args:
        faults: the faults of all printers.
        number: the printer's number.
    """
    return tuple(fault for fault in faults if fault.printer == number)
