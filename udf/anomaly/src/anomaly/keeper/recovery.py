"""Decides what is to be done for a pipeline next. The logic is pure: it reads no clock and does no I/O.

A task that has ended, or whose UDF is silent, is started again at once, and then with growing pauses while that does
not help. After an outage, after late points, and when stored points have no score, a catch-up is due as soon as it can
reach the end of what is missing.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field

from anomaly.keeper.checks import FED, INFLUXDB, KAPACITOR, TASK, UDF, Finding, LastCatchUp
from anomaly.keeper.watch import PipelineSight, StackSight, settled_ns
from anomaly.nanoseconds import MINUTE_NS, SECOND_NS
from anomaly.pipeline import Pipeline
from anomaly.windows.cut import cut_of

# A UDF that was started writes its first metrics after 10 s; loading a large model takes as long again. Until it has
# answered Kapacitor, its task does not execute, and Kapacitor gives no reason. A deployment waits for it meanwhile.
_STARTING_NS = 45 * SECOND_NS
# The first catch-up scores the window in which a UDF was started again, unless that window is longer than this. The
# windows before it do not wait for a longer one.
_SHORT_NS = 10 * SECOND_NS
# A task that somebody disabled a moment ago is about to be changed by a deployment.
_DISABLED_NS = MINUTE_NS
_FIRST_PAUSE_NS = 10 * SECOND_NS
_LONGEST_PAUSE_NS = 600 * SECOND_NS
# A start has helped, and the next pause is short again, once the UDF has written metrics for this long since. One that
# dies of the same cause again has mostly done so by then.
_HEALTHY_NS = 20 * SECOND_NS
# What nobody noticed, such as a write that InfluxDB refused, is found by a catch-up that nothing has asked for. It is
# due after this time, and takes at most this part of the time.
_ROUTINE_NS = 600 * SECOND_NS
_ROUTINE_PART = 20
# Kapacitor is restarted when it has been away, or has not got any points, for this long, and then with pauses.
_RESTART_AFTER_NS = 90 * SECOND_NS
_RESTART_NS = 600 * SECOND_NS
# InfluxDB is restarted when it has kept nothing for this long although its volume has room for points again.
_FORGETS_NS = 20 * SECOND_NS
_FORGETS_PAUSE_NS = 150 * SECOND_NS
_ROOM = 64 * 2**20
# The volume of InfluxDB, among the keeper's.
INFLUXDB_DISK = "influxdb"


@dataclass(slots=True)
class Backoff:
    """Pauses between attempts that double.

    Attributes:
        first_ns: the pause after the first attempt.
        longest_ns: the longest pause.
    """

    first_ns: int = _FIRST_PAUSE_NS
    longest_ns: int = _LONGEST_PAUSE_NS
    _attempts: int = 0
    _last_ns: int = 0
    _next_ns: int = 0

    def ready(self, now_ns: int) -> bool:
        """Whether the next attempt is due; it is, too, once the clock has been set back to before the last one."""
        return now_ns >= self._next_ns or now_ns < self._last_ns

    def attempted(self, now_ns: int) -> None:
        """Count an attempt; the next one waits twice as long as this one did."""
        self._last_ns = now_ns
        self._next_ns = now_ns + min(self.first_ns << self._attempts, self.longest_ns)
        # Shifting further changes nothing once the longest pause is reached.
        self._attempts = min(self._attempts + 1, 30)

    def reset(self) -> None:
        """Begin with the shortest pause again."""
        self._attempts = 0
        self._last_ns = self._next_ns = 0


@dataclass(slots=True)
class Restarts:
    """Decides when Kapacitor is asked to be restarted: nothing else heals a hung process, or a subscription."""

    _since_ns: int | None = None
    _well_ns: int | None = None
    _backoff: Backoff = field(default_factory=lambda: Backoff(_RESTART_NS, 6 * _RESTART_NS))

    def look(self, findings: Iterable[Finding], now_ns: int) -> str:
        """Return why Kapacitor is to be restarted now; empty if it is not.

        Args:
            findings: all findings of a look.
            now_ns: when.
        """
        failed = [finding for finding in findings if finding.failed]
        # A restart that cannot help would use up the only one that Kapacitor's container allows in ten minutes.
        mendable = [finding for finding in failed if not finding.is_for_people]
        reasons = [finding.text for finding in mendable if finding.check in (KAPACITOR, FED)]
        if not reasons:
            self._since_ns = None
            self._well_ns = min(self._well_ns or now_ns, now_ns)
            if now_ns - self._well_ns >= self._backoff.longest_ns:
                self._backoff.reset()
            return ""
        self._well_ns = None
        if any(finding.check == INFLUXDB for finding in failed):
            # Kapacitor may wait for InfluxDB.
            return ""
        self._since_ns = min(self._since_ns or now_ns, now_ns)
        if now_ns - self._since_ns < _RESTART_AFTER_NS or not self._backoff.ready(now_ns):
            return ""
        self._backoff.attempted(now_ns)
        return reasons[0]


@dataclass(slots=True)
class InfluxdbRestarts:
    """Decides when InfluxDB is asked to be restarted: after a full disk it keeps nothing until then.

    Source: github.com/influxdata/influxdb, issue 23126.
    """

    _since_ns: int | None = None
    _backoff: Backoff = field(default_factory=lambda: Backoff(_FORGETS_PAUSE_NS, _FORGETS_PAUSE_NS))

    def look(self, sight: StackSight) -> str:
        """Return why InfluxDB is to be restarted now; empty if it is not."""
        free = next((disk.free for disk in sight.disks if disk.name == INFLUXDB_DISK), None)
        # Without room a restart does not help, and InfluxDB may not come up again.
        if not sight.forgets or free is None or free < _ROOM:
            self._since_ns = None
            return ""
        self._since_ns = min(self._since_ns or sight.time_ns, sight.time_ns)
        if sight.time_ns - self._since_ns < _FORGETS_NS or not self._backoff.ready(sight.time_ns):
            return ""
        self._backoff.attempted(sight.time_ns)
        return sight.forgets


@dataclass(slots=True)
class Recovery:
    """What one pipeline has been through since the keeper was started.

    Attributes:
        pipeline: the pipeline.
        last: the last catch-up; None before the first.
        starts: how often its task was started again.
    """

    pipeline: Pipeline
    last: LastCatchUp | None = None
    starts: int = 0
    _task: Backoff = field(default_factory=Backoff)
    _catch_up: Backoff = field(default_factory=Backoff)
    _needed_ns: int = 0
    _routine_ns: int | None = None
    _has_model: bool = False
    _started_ns: int | None = None
    _attempted_ns: int | None = None
    _disabled_ns: int | None = None
    _starting_ns: int | None = None
    _healthy_ns: int | None = None
    _looked_ns: int | None = None
    _lost_writes: int = 0

    def look(self, sight: PipelineSight, findings: Iterable[Finding], now_ns: int) -> bool:
        """Take what was seen into account, and return whether the task is to be started again now.

        Args:
            sight: what was seen of the pipeline.
            findings: the findings about it, and about what it rests on.
            now_ns: when.
        """
        failed = {finding.check for finding in findings if finding.failed}
        if failed & {INFLUXDB, KAPACITOR}:
            # Scores could not be made, or could not be written.
            self._need(now_ns)
        self._has_model = sight.has_model
        if self._looked_ns is None:
            # Nobody knows what happened before the keeper was started.
            self._need(now_ns)
        elif now_ns < self._looked_ns - SECOND_NS:
            self._set_back(now_ns)
        self._looked_ns = now_ns
        if sight.started_ns is not None:
            # The start that is computed from an uptime varies by less than a second.
            if self._started_ns is not None and sight.started_ns > self._started_ns + SECOND_NS:
                self._need(sight.started_ns + self._torn_ns)
            self._started_ns = sight.started_ns
        if sight.task is not None:
            # Kapacitor drops the results that InfluxDB does not take. A task that was started again counts anew.
            if sight.task.lost_writes not in (0, self._lost_writes):
                self._need(now_ns)
            self._lost_writes = sight.task.lost_writes
        if sight.late_seen_ns is not None:
            self._need(min(sight.late_seen_ns, now_ns))
        if (
            sight.has_model
            and sight.point_ns is not None
            and (sight.score_ns is None or self._window(sight.point_ns) > sight.score_ns)
        ):
            self._need(cut_of(self.pipeline).end(sight.point_ns))
        if not failed & {TASK, UDF}:
            self._disabled_ns = self._starting_ns = None
            # A UDF that hangs from its start on is not found to be silent at once.
            is_alive = sight.beat_ns is not None and sight.beat_ns > (self._attempted_ns or 0)
            self._healthy_ns = (self._healthy_ns or now_ns) if is_alive else None
            if self._healthy_ns is not None and now_ns - self._healthy_ns >= _HEALTHY_NS:
                self._task.reset()
            return False
        self._healthy_ns = None
        return self._must_start(sight, TASK in failed, now_ns)

    def started(self, now_ns: int) -> None:
        """Record that the task was started again, or that this was tried."""
        # What it missed is known now; what it says of its start may come later.
        self._need(now_ns)
        self.starts += 1
        self._attempted_ns = now_ns
        self._starting_ns = None
        self._task.attempted(now_ns)

    def catch_up_due(self, now_ns: int) -> bool:
        """Whether a catch-up is due: something is missing, and one that begins now reaches its end."""
        # A catch-up ends with a whole window.
        reaches_ns = now_ns - settled_ns(self.pipeline) - self.pipeline.window_ns
        is_needed = self.last is None or self._needed_ns > self.last.end_ns
        is_routine = self._has_model and self._routine_ns is not None and now_ns >= self._routine_ns
        return (is_routine or (is_needed and reaches_ns >= self._needed_ns)) and self._catch_up.ready(now_ns)

    def caught_up(self, outcome: LastCatchUp | None, now_ns: int, took_ns: int = 0) -> None:
        """Record the end of a catch-up.

        Args:
            outcome: what it did; None: it failed.
            now_ns: when it ended.
            took_ns: how long it took.
        """
        self._routine_ns = now_ns + max(_ROUTINE_NS, _ROUTINE_PART * took_ns)
        if outcome is not None:
            self.last = outcome
        if outcome is not None and outcome.changed:
            self._catch_up.reset()
            # What the UDF was in the middle of then, such as a period, is known a while later.
            pipeline = self.pipeline
            known_ns = pipeline.periods.merge_ns + 2 * pipeline.window_ns + settled_ns(pipeline)
            self._routine_ns = now_ns + max(known_ns, _ROUTINE_PART * took_ns)
        else:
            # Points that cannot be scored look like points that were missed, again and again.
            self._catch_up.attempted(now_ns)

    @property
    def _torn_ns(self) -> int:
        """How long after a UDF's start the windows end that may lack points, unless they are long."""
        return self.pipeline.window_ns if self.pipeline.window_ns <= _SHORT_NS else 0

    def waits(self, now_ns: int) -> bool:
        """Whether something is missing, and the next catch-up is to begin as soon as it reaches the end of that."""
        is_needed = self.last is None or self._needed_ns > self.last.end_ns
        return is_needed and self._catch_up.ready(now_ns)

    def _set_back(self, now_ns: int) -> None:
        """Forget all times, as the clock was set back: they would be reached only when it is as late as before."""
        self.last = None
        self._routine_ns = self._started_ns = self._attempted_ns = None
        self._disabled_ns = self._starting_ns = self._healthy_ns = None
        self._task.reset()
        self._catch_up.reset()
        self._needed_ns = now_ns

    def _window(self, time_ns: int) -> int:
        return cut_of(self.pipeline).begin(time_ns)

    def _need(self, until_ns: int) -> None:
        """Windows until then may lack scores."""
        self._needed_ns = max(self._needed_ns, until_ns)

    def _must_start(self, sight: PipelineSight, has_ended: bool, now_ns: int) -> bool:
        if sight.task is None:
            # The script and its vars are the controller's.
            return False
        self._starting_ns = (self._starting_ns or now_ns) if sight.task.is_starting else None
        if not sight.task.enabled:
            self._disabled_ns = self._disabled_ns or now_ns
            left_alone_ns = self._disabled_ns + _DISABLED_NS
        elif has_ended:
            left_alone_ns = 0 if self._starting_ns is None else self._starting_ns + _STARTING_NS
        else:
            left_alone_ns = 0 if self._attempted_ns is None else self._attempted_ns + _STARTING_NS
        return now_ns >= left_alone_ns and self._task.ready(now_ns)
