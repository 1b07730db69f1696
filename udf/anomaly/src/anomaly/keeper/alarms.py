"""Decides what is told: once when detection goes down, once when it is back. The logic is pure.

What does not stop detection yet, such as a disk that fills up, is told as a warning in the same way.

Everything that is told is kept until it has arrived (`anomaly.keeper.messengers`), and what has been told outlives the
keeper's process, so that a restart neither repeats nor forgets anything.
"""

from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from typing import Any

from anomaly.keeper.checks import (
    BACKUP,
    CERTIFICATE,
    CLOCK,
    DISK,
    FED,
    INFLUXDB,
    KAPACITOR,
    MODEL,
    MODEL_FILE,
    SCORES,
    STATE,
    TASK,
    UDF,
    Finding,
)
from anomaly.nanoseconds import MINUTE_NS, SECOND_NS

# What is mended sooner is told once, when it is over.
_PATIENCE_NS = MINUTE_NS
# All must be well for this long before it is told that detection is back: what comes and goes is one outage.
_CALM_NS = 90 * SECOND_NS
_DOWN = (INFLUXDB, KAPACITOR, TASK, UDF, MODEL, FED, SCORES)
_WARNING = (MODEL_FILE, STATE, DISK, CLOCK, CERTIFICATE, BACKUP)


@dataclass(frozen=True, slots=True)
class KeeperMessage:
    """What people are told.

    Attributes:
        id: what it is about; equal for the begin and the end of an outage.
        level: `CRITICAL` when detection is down, `WARNING` when it may soon be, `OK` when that is over, `INFO` for what
            is over already.
        previous_level: the level before.
        time_ns: since when.
        text: a sentence for people.
    """

    id: str
    level: str
    previous_level: str
    time_ns: int
    text: str


@dataclass(slots=True)
class _Outage:
    """An outage of a subject: the stack's part or the pipeline that is down.

    Attributes:
        since_ns: when it was seen first.
        failing_ns: when it was seen last.
        text: a sentence for people, of the last look.
        told: whether it was told.
        is_down: whether it stops detection.
    """

    since_ns: int
    failing_ns: int
    text: str
    told: bool = False
    is_down: bool = True


@dataclass(slots=True)
class Alarms:
    """The outages that last.

    Attributes:
        patience_ns: how long an outage must last to be told while it lasts.
        calm_ns: how long all must be well before the end of an outage is told.
        outages: the outages by subject: `influxdb`, `kapacitor`, or the name of a pipeline with `pipeline ` before it;
            of warnings the name of the check, and the pipeline.
    """

    patience_ns: int = _PATIENCE_NS
    calm_ns: int = _CALM_NS
    outages: dict[str, _Outage] = field(default_factory=dict)

    def look(self, findings: Iterable[Finding], now_ns: int) -> list[KeeperMessage]:
        """Return what is to be told after a look.

        Args:
            findings: all findings of the look.
            now_ns: when.
        """
        failing: dict[str, Finding] = {}
        known, unknown = set(), set()
        for finding in findings:
            subject = _subject(finding)
            known.add(subject)
            if finding.failed:
                failing.setdefault(subject, finding)
            elif finding.ok is None:
                unknown.add(subject)
        for subject, finding in failing.items():
            is_down = finding.check in _DOWN
            outage = self.outages.setdefault(subject, _Outage(now_ns, now_ns, finding.text, is_down=is_down))
            outage.failing_ns = now_ns
            outage.text = finding.text
        messages = []
        for outage in self.outages.values():
            # A clock that was set back must not keep an outage from beginning or from ending.
            outage.since_ns = min(outage.since_ns, now_ns)
            outage.failing_ns = min(outage.failing_ns, now_ns)
        for subject, outage in list(self.outages.items()):
            if subject not in known:
                # Its pipeline is not looked after any more, and whoever took it away knows.
                del self.outages[subject]
                continue
            is_over = subject not in failing and subject not in unknown and now_ns - outage.failing_ns >= self.calm_ns
            if is_over:
                del self.outages[subject]
                messages.append(_back(subject, outage))
            elif subject in failing and not outage.told and now_ns - outage.since_ns >= self.patience_ns:
                outage.told = True
                messages.append(_down(subject, outage))
        return messages

    @property
    def down(self) -> list[str]:
        """A sentence for each outage of detection that was told and lasts."""
        return [outage.text for outage in self.outages.values() if outage.told and outage.is_down]

    def state(self) -> dict[str, Any]:
        """Return what must outlive the process, as JSON."""
        return {subject: asdict(outage) for subject, outage in self.outages.items()}

    def restore(self, state: dict[str, Any]) -> None:
        """Go on with the outages of an earlier process.

        Raises:
            TypeError: the state is not of this layout.
        """
        self.outages = {subject: _Outage(**outage) for subject, outage in state.items()}


def _subject(finding: Finding) -> str:
    if finding.check in _WARNING:
        return f"{finding.check} {finding.pipeline}".rstrip()
    return f"pipeline {finding.pipeline}" if finding.pipeline else finding.check


def _down(subject: str, outage: _Outage) -> KeeperMessage:
    if not outage.is_down:
        return KeeperMessage(subject, "WARNING", "OK", outage.since_ns, f"attention ({subject}): {outage.text}")
    text = f"detection is down ({subject}): {outage.text}"
    return KeeperMessage(f"detection {subject}", "CRITICAL", "OK", outage.since_ns, text)


def _back(subject: str, outage: _Outage) -> KeeperMessage:
    lasted_s = max(round((outage.failing_ns - outage.since_ns) / SECOND_NS), 1)
    if not outage.is_down:
        level, before = ("OK", "WARNING") if outage.told else ("INFO", "OK")
        return KeeperMessage(
            subject, level, before, outage.since_ns, f"over after {lasted_s} s ({subject}): {outage.text}"
        )
    if outage.told:
        text = f"detection is back ({subject}), it was down for {lasted_s} s: {outage.text}"
        return KeeperMessage(f"detection {subject}", "OK", "CRITICAL", outage.since_ns, text)
    text = f"detection was down for {lasted_s} s and is back ({subject}): {outage.text}"
    return KeeperMessage(f"detection {subject}", "INFO", "OK", outage.since_ns, text)
