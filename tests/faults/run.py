"""One fault after the other: break, wait until every stored point has its right score, and note how long that took."""

import math
import subprocess
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import docker.errors

from anomaly.influxdb.client import InfluxClientError
from anomaly.influxdb.times import TimeRange
from anomaly.keeper.watch import settled_ns
from tests.faults.alerts import (
    Alert,
    calm,
    end_of,
    levels,
    on_its_way,
    read_alerts,
    stray,
    told_at_other_levels,
    told_twice,
    under_way,
    untold,
    without_all_clear,
)
from tests.faults.breaking import FAULTS
from tests.faults.deployed import PIPELINE, RESULTS, Deployed
from tests.faults.schedule import Event
from tests.faults.stream import SERIES, Stream
from tests.faults.undisturbed import Place, Undisturbed
from tests.integration.influx import InfluxError
from tests.integration.waiting import wait_for

SECOND_NS = 1_000_000_000
# Recovery that takes longer than this does not come without a person.
MOST_S = 180.0
_POLL_S = 0.5
# How many windows after a fault's end must have their scores before it counts as over.
_WINDOWS_AFTER = 2
_NEVER = TimeRange(0, 0)
# Without the keeper, losses show some 15 s after the fault, and on a host that is slow and busy within this time.
_LOSSES_S = 240.0


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one event did.

    Attributes:
        event: the event.
        windows: the most windows that lacked their right score at one time, though they were due.
        recovered_s: how long after the fault's end the last window got its right score; None: not within `MOST_S`.
        wrong: the windows that never got it, and others whose score became wrong.
        span: from the event's begin until all was right again.
    """

    event: Event
    windows: int
    recovered_s: float | None
    wrong: int
    span: TimeRange = _NEVER

    @property
    def is_whole(self) -> bool:
        """Whether every point has its right score."""
        return self.recovered_s is not None and not self.wrong

    @property
    def kept_detection_from_telling(self) -> bool:
        """Whether periods of its time may have been found by a catch-up, which tells nobody.

        A person who repairs a fault may take so long that every window has its score by then.
        """
        return bool(self.windows or self.wrong or FAULTS[self.event.fault].by_hand)


@dataclass(frozen=True, slots=True)
class Periods:
    """How the periods that are over, and what was told of them, differ from an undisturbed run.

    Attributes:
        count: how many there are in an undisturbed run.
        wrong: those that differ.
        calm: how many of them ran while no window was late or wrong.
        untold: those of them that nobody was told of.
        told_twice: the periods that were told more than once at one level, although Kapacitor had kept that.
        stray: what was told and belongs to no period of an undisturbed run.
        at_other_levels: those of the calm ones that were told at other levels than their severities have.
        without_all_clear: those of the calm ones after whose end no all-clear came.
    """

    count: int
    wrong: set[Place]
    calm: int
    untold: set[Place]
    told_twice: set[Place]
    stray: set[Place]
    at_other_levels: set[Place]
    without_all_clear: set[Place]


class Run:
    """The events of one schedule on one stack.

    Args:
        deployed: the stack.
        say: gets each line for people.
        most_s: how long a recovery may take, in seconds.

    Attributes:
        stream: the points, which are written as long as the run lasts.
        truth: the undisturbed run.
        outcomes: what the events did so far.
    """

    def __init__(self, deployed: Deployed, say: Callable[[str], None], most_s: float = MOST_S) -> None:
        stack = deployed.stack
        self.stream = Stream(stack.influxdb_url, stack.user("writer"), PIPELINE.database)
        self.truth = Undisturbed(PIPELINE, deployed.model, deployed.influx, RESULTS, len(SERIES), self.stream.begin_ns)
        self.outcomes: list[Outcome] = []
        self._deployed = deployed
        self._most_s = most_s
        self._alerts = stack.dir / "log" / "kapacitor" / "alerts.log"
        # The alerts that Kapacitor may tell once more, as it was killed before it had kept their levels.
        self._unkept: list[Alert] = []
        self._say = say
        # Nobody waits for it to be set: it waits without being a sleep that nothing can end.
        self._calm = threading.Event()

    def events(self, events: Sequence[Event], most_s: float = math.inf) -> list[Outcome]:
        """Let each event happen, the next one when the last one is over.

        Args:
            events: the events.
            most_s: after this many seconds no further event begins.
        """
        self._settle()
        end_s = time.monotonic() + most_s
        for number, event in enumerate(events, 1):
            if time.monotonic() > end_s:
                self._say(f"the time is over before event {number} of {len(events)}")
                break
            begun_ns = time.time_ns()
            try:
                outcome = self._event(event)
            except (
                AssertionError,
                OSError,
                subprocess.CalledProcessError,
                docker.errors.APIError,
                InfluxError,
            ) as error:
                # One fault that cannot begin or end must not hide what the others do.
                self._say(f"{event.fault} could not be done: {error!r:.500}")
                outcome = Outcome(event, 0, None, 0, TimeRange(begun_ns, time.time_ns()))
            self.outcomes.append(outcome)
            recovered = "not recovered" if outcome.recovered_s is None else f"recovered in {outcome.recovered_s:.0f} s"
            self._say(
                f"{number}/{len(events)} {event.fault}: {outcome.windows} windows late, {recovered}, "
                f"{outcome.wrong} wrong"
            )
        return self.outcomes

    def end(self) -> None:
        """End the stream."""
        self.stream.end()

    def judge_periods(self) -> Periods:
        """Compare the periods that are over, and what was told of them, with the undisturbed run.

        What the last event left of them is repaired while this waits, within the time of a recovery.
        """
        margin_ns = PIPELINE.periods.merge_ns + settled_ns(PIPELINE)
        end_s = time.monotonic() + self._most_s
        while (wrong := self.truth.wrong_periods(self.truth.until_ns - margin_ns)) and time.monotonic() < end_s:
            self._calm.wait(_POLL_S)
        alerts = read_alerts(self._alerts)
        broken = [outcome.span for outcome in self.outcomes if outcome.kept_detection_from_telling]
        over = {
            place: fields
            for place, fields in self.truth.periods.items()
            if end_of(fields) + margin_ns < self.truth.until_ns
        }
        calm_ones = calm(over, broken, margin_ns)
        if wrong:
            self._say(self.truth.explain_periods(wrong))
        return Periods(
            len(over),
            wrong,
            len(calm_ones),
            untold(alerts, calm_ones),
            told_twice(alerts, self._unkept),
            # The undisturbed run need not know yet what was told last.
            stray(
                [alert for alert in alerts if alert.place[1] + margin_ns < self.truth.until_ns],
                self.truth.periods,
                broken,
                PIPELINE.window_ns,
            ),
            told_at_other_levels(
                alerts, {place: levels(self.truth.peaks.get(place, ()), PIPELINE.alerts) for place in calm_ones}
            ),
            without_all_clear(alerts, {place: end_of(over[place]) for place in calm_ones}),
        )

    def _settle(self) -> None:
        """Wait until the UDF scores the stream. It need not have written its state yet."""

        def has_scores() -> bool:
            self._go_on()
            return bool(self.truth.scores) and not self.truth.look()

        wait_for(has_scores, "the first scores", seconds=self._most_s, explain=self._deployed.stack.logs)

    def _event(self, event: Event) -> Outcome:
        fault = FAULTS[event.fault]
        seconds = fault.seconds if event.seconds is None else event.seconds
        keeper = self._deployed.stack.container("keeper")
        self._calm.wait(event.wait)
        if not event.keeper:
            keeper.stop()
        begun_ns = time.time_ns()
        with fault.begin(self._deployed):
            if fault.loses_levels:
                self._unkept += under_way(read_alerts(self._alerts))
            elif fault.kills_kapacitor:
                self._unkept += on_its_way(self._alerts, begun_ns)
            if fault.seconds is not None:
                self._calm.wait(seconds)
        ended_s = time.monotonic()
        windows = 0
        if not event.keeper:
            windows = self._losses(ended_s)
            keeper.start()
            ended_s = time.monotonic()
        return self._recovery(event, begun_ns, ended_s, windows)

    def _losses(self, ended_s: float) -> int:
        """Return how many windows lack their scores while nobody repairs them, as soon as there are any."""
        while time.monotonic() - ended_s < _LOSSES_S:
            self._calm.wait(_POLL_S)
            self._go_on()
            if self._pending():
                break
        return len(self._pending())

    def _recovery(self, event: Event, begun_ns: int, ended_s: float, windows: int) -> Outcome:
        """Wait until all is right again, and look at all scores since the event began.

        Args:
            event: the event.
            begun_ns: when it began.
            ended_s: when it ended, by a clock that never jumps.
            windows: how many windows were seen without their scores before it ended.
        """
        wrong_s = ended_s
        is_mended = FAULTS[event.fault].is_mended
        whole_ns = time.time_ns() + _WINDOWS_AFTER * PIPELINE.window_ns
        while True:
            has_seen = self._go_on()
            pending = self._pending()
            windows = max(windows, len(pending))
            now_s = time.monotonic()
            if not is_mended(self._deployed):
                # What comes until then may be lost, too.
                whole_ns = time.time_ns() + _WINDOWS_AFTER * PIPELINE.window_ns
                wrong_s = now_s
            elif pending or not has_seen:
                wrong_s = now_s
            elif self.truth.until_ns >= whole_ns:
                break
            if now_s - ended_s > self._most_s:
                self._say(self._deployed.stack.logs())
                self.truth.pending.clear()
                return Outcome(event, windows, None, len(pending), TimeRange(begun_ns, time.time_ns()))
            self._calm.wait(_POLL_S)
        # What was right before may have become wrong.
        since_ns = begun_ns - 60 * SECOND_NS
        wrong = self.truth.wrong_scores(since_ns)
        if wrong:
            self._say(f"{self.truth.explain(wrong)}\n{self._deployed.stack.logs()}")
        return Outcome(event, windows, wrong_s - ended_s, len(wrong), TimeRange(begun_ns, time.time_ns()))

    def _go_on(self) -> bool:
        """Let the undisturbed run score what is due by now; return whether InfluxDB had all of it."""
        due_ns = min(time.time_ns() - settled_ns(PIPELINE), self.stream.stored_ns)
        try:
            return self.truth.go_on(due_ns)
        except InfluxClientError:
            return False

    def _pending(self) -> set[Place]:
        try:
            return self.truth.look()
        except InfluxClientError:
            return set(self.truth.pending)
