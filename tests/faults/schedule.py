"""Schedules: which fault strikes when. A file may hold one; docs/reliability.md describes its format."""

import random
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

# A fault lasts no longer than this: a run must end.
MOST_SECONDS = 600.0
_KEYS = ("fault", "seconds", "wait", "keeper")
# How long the random schedule lets a fault last, and how long it waits before one.
_LASTS_S = (3.0, 30.0)
_PAUSE_S = (0.0, 8.0)


class ScheduleError(Exception):
    """A schedule is not one; the message names the entry, its value and the fix."""


@dataclass(frozen=True, slots=True)
class Event:
    """One fault at one time.

    Attributes:
        fault: the name of the fault.
        seconds: how long it lasts; None: as long as the fault itself says.
        wait: how many seconds of calm pass before it.
        keeper: whether the keeper runs; without it losses are expected, and the event ends with the keeper's start.
    """

    fault: str
    seconds: float | None = None
    wait: float = 0.0
    keeper: bool = True


def read_schedule(path: Path, faults: Collection[str]) -> list[Event]:
    """Read a schedule from a YAML or JSON file.

    Args:
        path: the file.
        faults: the names of the faults there are.

    Raises:
        ScheduleError: the file cannot be read, or is not a schedule.
    """
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ScheduleError(f"--schedule: {path} cannot be read: {error.strerror}") from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ScheduleError(f"--schedule: {path} is not YAML: {' '.join(str(error).split())}") from None
    if not isinstance(content, dict) or set(content) != {"events"}:
        raise ScheduleError(f"--schedule: {path} is not a mapping with the only key 'events': see docs/reliability.md")
    events = content["events"]
    if not isinstance(events, list) or not events:
        raise ScheduleError(f"--schedule: events is {events!r}: write a list with at least one event")
    return [_event(f"events[{number}]", entry, faults) for number, entry in enumerate(events)]


def _event(place: str, entry: Any, faults: Collection[str]) -> Event:
    if not isinstance(entry, Mapping):
        raise ScheduleError(f"--schedule: {place} is {entry!r}: write a mapping such as {{fault: udf_killed}}")
    unknown = [str(key) for key in entry if key not in _KEYS]
    if unknown:
        raise ScheduleError(f"--schedule: {place} has the unknown key {unknown[0]!r}: the keys are {', '.join(_KEYS)}")
    fault = entry.get("fault")
    if not isinstance(fault, str) or fault not in faults:
        raise ScheduleError(f"--schedule: {place}.fault is {fault!r}: write one of {', '.join(sorted(faults))}")
    keeper = entry.get("keeper", True)
    if not isinstance(keeper, bool):
        raise ScheduleError(f"--schedule: {place}.keeper is {keeper!r}: write true or false")
    if not keeper and "keeper" in fault:
        raise ScheduleError(
            f"--schedule: {place}.keeper is False, and {fault} breaks the keeper: leave one of them out"
        )
    seconds = _seconds(f"{place}.seconds", entry["seconds"]) if "seconds" in entry else None
    return Event(fault, seconds, _seconds(f"{place}.wait", entry.get("wait", 0)), keeper)


def _seconds(place: str, value: Any) -> float:
    # A boolean is a number to Python, and none to a reader.
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= MOST_SECONDS:
        raise ScheduleError(f"--schedule: {place} is {value!r}: write seconds from 0 to {MOST_SECONDS:.0f}")
    return float(value)


def one_by_one(faults: Mapping[str, float | None]) -> list[Event]:
    """Return each fault once, as long as it says.

    Args:
        faults: the default length of each fault in seconds, by name; None for one without a length.
    """
    return [Event(name) for name in faults]


def at_random(faults: Mapping[str, float | None], count: int, seed: int) -> list[Event]:
    """Return faults in a random order, of random lengths, with random pauses; a seed gives the same ones again.

    Args:
        faults: as for `one_by_one`.
        count: how many events.
        seed: what makes two runs differ.
    """
    chance = random.Random(seed)  # noqa: S311 (a schedule need not be secret)
    names = sorted(faults)
    events = []
    for _ in range(count):
        name = chance.choice(names)
        # Both are drawn for every event, so that a fault that gets a length changes no other event.
        seconds, wait = round(chance.uniform(*_LASTS_S), 1), round(chance.uniform(*_PAUSE_S), 1)
        events.append(Event(name, None if faults[name] is None else seconds, wait))
    return events
