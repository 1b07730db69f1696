"""The loop of the keeper: look, repair, run what is due, write down how things are, and tell."""

import json
import threading
import time
import traceback
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from anomaly.counted import counted
from anomaly.influxdb.client import InfluxClient, InfluxClientError
from anomaly.influxdb.times import parse_time
from anomaly.keeper.alarms import Alarms
from anomaly.keeper.certificates import Certificates
from anomaly.keeper.checks import FED, INFLUXDB, KAPACITOR, MODEL, SCORES, TASK, UDF, Finding, LastCatchUp, findings
from anomaly.keeper.health import HealthLines, KeeperMetrics
from anomaly.keeper.heartbeat import write_heartbeat
from anomaly.keeper.incident_watch import IncidentSettings, IncidentWatch
from anomaly.keeper.jobs import Job, Jobs
from anomaly.keeper.kapacitor import KapacitorClient, KapacitorClientError
from anomaly.keeper.last_backup import LastBackup
from anomaly.keeper.load import LoadReport, processor_time
from anomaly.keeper.messengers import Outbox, Send
from anomaly.keeper.recovery import InfluxdbRestarts, Recovery, Restarts
from anomaly.keeper.supervisor import ask_restart
from anomaly.keeper.watch import PipelineSight, PipelineWatcher, StackSight, settled_ns
from anomaly.pipeline import Pipeline
from anomaly.pipeline.links import NO_ADDRESSES, Addresses
from anomaly.training.trainer import PipelineTrainer

# How often the keeper looks whether a pipeline is to be trained, and hands feedback on.
_TRAINING_S = 60.0
# How long one look starts tasks, and how long it looks at models. Kapacitor may take a minute to end a UDF.
# The next look goes on with the rest.
_PART_S = 30.0
# Looks follow each other this closely for a while after one of these has failed or works again, and while a catch-up
# waits.
_HURRIED_S = 1.0
_HURRY_S = 60.0
_URGENT = (INFLUXDB, KAPACITOR, TASK, UDF)
# While one of these fails, nobody knows whether a pipeline's open periods go on.
_BLINDING = (KAPACITOR, TASK, UDF, MODEL, FED, SCORES)
# How long a training and a catch-up may take. The next catch-up goes on where one was ended: what is written stays.
_TRAINING_LIMIT_S = 6 * 3600.0
_CATCH_UP_LIMIT_S = 3600.0
# How often old results are looked for, and how long deleting those of one pipeline may take.
_EXPIRY_S = 6 * 3600.0
_EXPIRY_LIMIT_S = 3600.0


@dataclass(frozen=True, slots=True)
class KeeperRequest:
    """A request to look after the pipelines of one Kapacitor.

    Attributes:
        pipelines: gives the enabled pipelines; asked at each look, as they may have changed.
        models: the directory of all models.
        results_database: the database of the results.
        train_command: the command that trains one pipeline, without `--pipeline NAME`, which the keeper appends.
        catch_up_command: the command that catches up with one pipeline, likewise.
        expire_command: the command that deletes old results of one pipeline, likewise; empty: they stay for ever.
        messengers: who sends what is told, by name.
        state: a file that keeps what was told, over restarts; None: it is forgotten.
        heartbeat: a file that says after each look how it went; None: no file.
        restart_file: a file by which the supervisor of Kapacitor's container is asked for a restart; None: nobody is.
        influxdb_restart_file: a file by which the container of InfluxDB is asked for a restart; None: it is not.
        udf_state: the directory of the UDFs' state files; None: they are not looked at.
        disks: the folders whose volumes are looked at, by name.
        least_free: how many bytes of each volume must be free.
        certificates: those of InfluxDB and Kapacitor, which must not end soon.
        last_backup: the record of the last backup, and how old that may be; None: nobody looks at it.
        poll_seconds: how long to wait between two looks.
        training_seconds: how long to wait between two looks at models and feedback.
        keep: how many versions of each pipeline's model are kept.
        patience_seconds: how long an outage must last to be told while it lasts.
        calm_seconds: how long all must be well before the end of an outage is told.
        incident_topic: the topic of Kapacitor's on which incidents are told; empty: they are written only.
        stack_name: the name of the stack, which is the topic of pipelines that name none.
        addresses: where browsers reach the pages that messages lead to.
    """

    pipelines: Callable[[], tuple[Pipeline, ...]]
    models: Path | str
    results_database: str
    train_command: tuple[str, ...]
    catch_up_command: tuple[str, ...]
    expire_command: tuple[str, ...] = ()
    messengers: Mapping[str, Send] = field(default_factory=dict)
    state: Path | None = None
    heartbeat: Path | None = None
    restart_file: Path | None = None
    influxdb_restart_file: Path | None = None
    udf_state: Path | None = None
    disks: Mapping[str, Path] = field(default_factory=dict)
    least_free: int = 0
    certificates: Certificates = field(default_factory=Certificates)
    last_backup: LastBackup | None = None
    poll_seconds: float = 5.0
    training_seconds: float = _TRAINING_S
    keep: int = 10
    patience_seconds: float = 60.0
    calm_seconds: float = 90.0
    incident_topic: str = ""
    stack_name: str = "anomaly"
    addresses: Addresses = NO_ADDRESSES


class Keeper:
    """Looks after the pipelines.

    Args:
        request: the pipelines and the options.
        influx: InfluxDB, as a user who may read sources and write results.
        kapacitor: Kapacitor, as a user who may change tasks.
        say: gets each line for people.

    Attributes:
        metrics: the keeper's metrics.
    """

    def __init__(
        self, request: KeeperRequest, influx: InfluxClient, kapacitor: KapacitorClient, say: Callable[[str], None]
    ) -> None:
        self.metrics = KeeperMetrics()
        self._request = request
        self._influx = influx
        self._kapacitor = kapacitor
        self._say = say
        self._watcher = PipelineWatcher(
            (),
            influx,
            kapacitor,
            request.models,
            request.results_database,
            request.udf_state,
            request.disks,
            request.least_free,
            request.certificates,
            request.last_backup,
        )
        self._recoveries: dict[str, Recovery] = {}
        self._trainers: dict[str, PipelineTrainer] = {}
        self._restarts = Restarts()
        self._influxdb_restarts = InfluxdbRestarts()
        self._started_ns = time.time_ns()
        self._has_begun = False
        # A catch-up does not wait for a training.
        self._trainings = Jobs(_TRAINING_LIMIT_S, say)
        self._catch_ups = Jobs(_CATCH_UP_LIMIT_S, say)
        self._expiries = Jobs(_EXPIRY_LIMIT_S, say)
        self._health = HealthLines()
        self._load = LoadReport()
        self._alarms = Alarms(int(request.patience_seconds * 1e9), int(request.calm_seconds * 1e9))
        self._outbox = Outbox(request.messengers, say)
        settings = IncidentSettings(
            request.stack_name, request.results_database, request.incident_topic, request.addresses
        )
        self._incidents = IncidentWatch(influx, kapacitor, settings, say)
        self._incidents_error = ""
        self._kept = ""
        self._failure = ""
        self._failing: set[tuple[str, str]] = set()
        self._unwell: set[tuple[str, str]] = set()
        self._hurried_until = 0.0
        self._trained_at = -request.training_seconds
        self._expired_at = -_EXPIRY_S
        self._repairing_at = 0.0
        # The pipelines whose models are to be looked at.
        self._unseen: list[str] = []
        self._restore()

    def run(self, ended: threading.Event) -> None:
        """Look again and again until `ended` is set."""
        try:
            while not ended.is_set():
                self._look_on()
                pause_s = self._request.poll_seconds
                ended.wait(min(_HURRIED_S, pause_s) if self._watcher.is_hurried else pause_s)
        finally:
            self._trainings.end()
            self._catch_ups.end()
            self._expiries.end()

    def _look_on(self) -> None:
        """Look once; an exception that nobody foresaw is said once, and the next look tries again.

        A keeper that ends would begin anew with a catch-up of every pipeline, again and again.
        """
        try:
            self.look()
            self._failure = ""
        except Exception as error:
            if repr(error) != self._failure:
                self._failure = repr(error)
                self._say(f"the look has failed, and is repeated: {traceback.format_exc()}")

    def look(self) -> None:
        """Look once, and do what is to be done."""
        started = time.monotonic()
        self._take_over(self._request.pipelines())
        sight = self._watcher.look()
        last = {name: recovery.last for name, recovery in self._recoveries.items() if recovery.last is not None}
        outcomes = findings(self._watcher.pipelines, sight, last)
        self._tell(outcomes, sight.time_ns)
        self._repairing_at = time.monotonic()
        for name, recovery in self._recoveries.items():
            of_pipeline = [finding for finding in outcomes if finding.pipeline in ("", name)]
            self._repair(name, recovery, sight.pipelines[name], of_pipeline, sight.time_ns)
        self._hurry(outcomes, sight.time_ns)
        self._restart(outcomes, sight)
        self._train()
        self._expire(outcomes)
        self._trainings.look()
        self._catch_ups.look()
        self._expiries.look()
        self._write(outcomes, sight.time_ns)
        self._gather(outcomes, sight.time_ns)
        self.metrics.look(
            outcomes, {name: done.end_ns for name, done in last.items()}, sight.time_ns, time.monotonic() - started
        )
        self._beat(outcomes, sight.time_ns)
        self._say_load()

    def _say_load(self) -> None:
        """Show how much of a processor is taken, and say it now and then."""
        taken = processor_time()
        self.metrics.taken(taken)
        text = self._load.look(taken, time.monotonic())
        if text:
            self._say(text)

    def _hurry(self, outcomes: Sequence[Finding], now_ns: int) -> None:
        """Look more often for a while after something has failed or works again, and while a catch-up waits."""
        unwell = {(each.check, each.pipeline) for each in outcomes if each.failed and each.check in _URGENT}
        unwell |= {("", name) for name, recovery in self._recoveries.items() if recovery.waits(now_ns)}
        if unwell != self._unwell:
            self._hurried_until = time.monotonic() + _HURRY_S
        self._unwell = unwell
        self._watcher.is_hurried = time.monotonic() < self._hurried_until

    def _take_over(self, pipelines: tuple[Pipeline, ...]) -> None:
        """Look after these pipelines from now on; what is known of unchanged ones stays."""
        if pipelines == self._watcher.pipelines and self._has_begun:
            return
        self._has_begun = True
        unchanged = {pipeline.name for pipeline in pipelines if pipeline in self._watcher.pipelines}
        self._watcher.take_over(pipelines, unchanged)
        self._recoveries = {
            pipeline.name: self._recoveries[pipeline.name] if pipeline.name in unchanged else Recovery(pipeline)
            for pipeline in pipelines
        }
        request = self._request
        self._trainers = {
            pipeline.name: self._trainers[pipeline.name]
            if pipeline.name in unchanged
            else PipelineTrainer(
                pipeline, self._influx, request.models, request.results_database, request.keep, self._say
            )
            for pipeline in pipelines
        }
        self._say(f"keeper of {', '.join(pipeline.name for pipeline in pipelines) or 'nothing'}")

    def _restart(self, outcomes: Sequence[Finding], sight: StackSight) -> None:
        """Ask for a restart of Kapacitor or of InfluxDB, if nothing else heals."""
        request = self._request
        if request.restart_file is not None:
            self._ask("Kapacitor", request.restart_file, self._restarts.look(outcomes, sight.time_ns), sight.time_ns)
        if request.influxdb_restart_file is not None:
            self._ask("InfluxDB", request.influxdb_restart_file, self._influxdb_restarts.look(sight), sight.time_ns)

    def _ask(self, service: str, path: Path, reason: str, now_ns: int) -> None:
        """Ask for a restart of a service, if there is a reason."""
        if not reason:
            return
        self._say(f"{reason}; a restart of {service} is asked for")
        try:
            ask_restart(path, reason, now_ns)
        except OSError as error:
            self._say(f"{path} cannot be written: {error.strerror}")

    def _gather(self, outcomes: Sequence[Finding], now_ns: int) -> None:
        """Make incidents of periods, and have them told; why that fails is said once."""
        # Its own finding says what is wrong.
        if any(finding.failed for finding in outcomes if finding.check == INFLUXDB):
            return
        failing = [finding for finding in outcomes if finding.failed and finding.check in _BLINDING]
        names = {pipeline.name for pipeline in self._watcher.pipelines}
        is_all = any(not finding.pipeline for finding in failing)
        unknown = names if is_all else {finding.pipeline for finding in failing}
        try:
            can_tell = not any(finding.check == KAPACITOR for finding in failing)
            self._incidents.look(self._watcher.pipelines, unknown, now_ns, can_tell=can_tell)
            self._incidents_error = ""
        except (InfluxClientError, KapacitorClientError) as error:
            if str(error) != self._incidents_error:
                self._incidents_error = str(error)
                self._say(f"incidents: {error}; it is tried again")
        self._keep()

    def _beat(self, outcomes: Sequence[Finding], now_ns: int) -> None:
        """Say how the look went, for the container's health check."""
        if self._request.heartbeat is None:
            return
        try:
            write_heartbeat(self._request.heartbeat, outcomes, self._alarms.down, self._started_ns, now_ns)
        except OSError as error:
            self._say(f"{self._request.heartbeat} cannot be written: {error.strerror}")

    def _repair(
        self, name: str, recovery: Recovery, sight: PipelineSight, outcomes: Sequence[Finding], now_ns: int
    ) -> None:
        """Start a pipeline's task again, or catch up, if that is due."""
        must_start = recovery.look(sight, outcomes, now_ns)
        # What both rest on is down: nothing can be repaired, and nothing is known.
        if any(finding.failed for finding in outcomes if finding.check in (INFLUXDB, KAPACITOR)):
            return
        if must_start and time.monotonic() - self._repairing_at > _PART_S:
            return
        if must_start:
            why = next(finding.text for finding in outcomes if finding.failed and finding.check in (TASK, UDF))
            self._say(f"{name}: {why}; its task is started again")
            try:
                self._kapacitor.start_again(name)
            except KapacitorClientError as error:
                self._say(f"{name}: {error}")
            recovery.started(now_ns)
            self.metrics.started(name)
        elif recovery.catch_up_due(now_ns):
            lag = f"{settled_ns(recovery.pipeline)}ns"
            words = (*self._request.catch_up_command, "--pipeline", name, "--lag", lag)
            self._catch_ups.add(Job(name, words, partial(self._caught_up, name)))

    def _train(self) -> None:
        """Hand feedback on, and train what is due."""
        begun = time.monotonic()
        if not self._unseen and begun - self._trained_at >= self._request.training_seconds:
            self._trained_at = begun
            self._unseen = list(self._trainers)
        while self._unseen and time.monotonic() - begun < _PART_S:
            name = self._unseen.pop(0)
            # While it is trained, it is due.
            is_idle = name in self._trainers and name not in self._trainings.names
            reason = self._trainers[name].look() if is_idle else None
            if reason is not None:
                self._say(f"training {name}: {reason}")
                words = (*self._request.train_command, "--pipeline", name)
                self._trainings.add(Job(name, words, partial(self._trained, name)))

    def _expire(self, outcomes: Sequence[Finding]) -> None:
        """Delete old results, if that is due and InfluxDB answers."""
        is_down = any(finding.failed for finding in outcomes if finding.check == INFLUXDB)
        if not self._request.expire_command or is_down or time.monotonic() - self._expired_at < _EXPIRY_S:
            return
        self._expired_at = time.monotonic()
        for name in self._recoveries:
            words = (*self._request.expire_command, "--pipeline", name)
            self._expiries.add(Job(name, words, partial(self._expired, name)))

    def _expired(self, name: str, code: int, answer: dict[str, Any], seconds: float) -> None:
        """Say the outcome of deleting old results."""
        if answer.get("status") == "expired":
            listed = ", ".join(answer["measurements"])
            self._say(f"{name}: deleted results from before {answer['before']} ({listed}) in {seconds:.0f} s")

    def _trained(self, name: str, code: int, answer: dict[str, Any], seconds: float) -> None:
        """Say and record the outcome of a training: its exit code, and its line for programs."""
        # The training has written its notes to the log already, as warnings.
        self._say(json.dumps({key: value for key, value in answer.items() if key != "notes"}, ensure_ascii=False))
        if name in self._trainers:
            self._trainers[name].trained(has_model=code == 0)

    def _caught_up(self, name: str, code: int, answer: dict[str, Any], seconds: float) -> None:
        """Record the outcome of a catch-up: its exit code, and its line for programs."""
        outcome = None
        if name not in self._recoveries:
            return
        if code == 0 and "to" in answer:
            windows = answer["scores"] + answer["corrected"]
            outcome = LastCatchUp(parse_time(answer["to"], "to"), answer["status"] == "caught up")
            self.metrics.caught_up(name, windows)
            if outcome.changed:
                self._say(f"{name}: caught up to {answer['to']}, {counted(windows, 'window')}")
        self._recoveries[name].caught_up(outcome, time.time_ns(), int(seconds * 1e9))

    def _tell(self, outcomes: Sequence[Finding], now_ns: int) -> None:
        """Say what has changed, and send what is to be told."""
        failing = {(finding.check, finding.pipeline): finding.text for finding in outcomes if finding.failed}
        # One cause may fail the checks of many pipelines with one text.
        for text in dict.fromkeys(text for check, text in failing.items() if check not in self._failing):
            self._say(text)
        self._failing = set(failing)
        messages = self._alarms.look(outcomes, now_ns)
        for message in messages:
            self._say(f"{message.level} {message.text}")
        self._outbox.add(messages)
        # Kept before it is sent: a message may arrive twice, and is never lost.
        self._keep()
        self._outbox.send(now_ns)
        self._keep()

    def _write(self, outcomes: Sequence[Finding], now_ns: int) -> None:
        """Write the findings into the results."""
        lines = self._health.lines(outcomes, now_ns)
        if not lines:
            return
        try:
            self._influx.write(lines, self._request.results_database)
        except InfluxClientError as error:
            # The next look says it, and tries again.
            self._health = HealthLines()
            self._watcher.write_error = str(error)
            return
        self._watcher.written_ns = now_ns
        self._watcher.write_error = None

    def _keep(self) -> None:
        """Write what must outlive the process."""
        if self._request.state is None:
            return
        text = json.dumps(
            {
                "outages": self._alarms.state(),
                "waiting": self._outbox.state(),
                "incidents": self._incidents.state(),
            }
        )
        if text == self._kept:
            return
        try:
            draft = self._request.state.with_suffix(".new")
            draft.write_text(text, encoding="utf-8")
            draft.replace(self._request.state)
        except OSError as error:
            self._say(f"{self._request.state} cannot be written: {error.strerror}")
            return
        self._kept = text

    def _restore(self) -> None:
        """Go on with what an earlier process left."""
        path = self._request.state
        if path is None or not path.exists():
            return
        try:
            kept = json.loads(path.read_text(encoding="utf-8"))
            self._alarms.restore(kept["outages"])
            self._outbox.restore(kept["waiting"])
            # A release before this one knew no incidents.
            self._incidents.restore(kept.get("incidents", []))
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            self._say(f"{path} cannot be used, what was told before is forgotten: {error}")
