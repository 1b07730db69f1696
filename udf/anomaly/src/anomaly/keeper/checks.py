"""Judges what the keeper saw. The logic is pure: it reads no clock and does no I/O."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from anomaly.counted import counted
from anomaly.keeper.watch import DiskSight, PipelineSight, StackSight
from anomaly.nanoseconds import MINUTE_NS, SECOND_NS
from anomaly.pipeline import Pipeline
from anomaly.windows.cut import cut_of

# A UDF writes its metrics every 10 s.
_BEAT_NS = 35 * SECOND_NS

# The names of checks, in the order of causes: what fails first explains the others.
INFLUXDB, KAPACITOR, TASK, UDF, MODEL, FED, SCORES = "influxdb", "kapacitor", "task", "udf", "model", "fed", "scores"
# What does not stop detection yet.
MODEL_FILE, STATE, DISK, CLOCK = "model_file", "state", "disk", "clock"
CERTIFICATE, BACKUP = "certificate", "backup"

# Points that are stored reach the UDF within a second; two comparisons of the watcher's show that they do not.
_UNFED_NS = MINUTE_NS
# A state is written once a minute.
_STATE_NS = 300 * SECOND_NS
# InfluxDB tells its clock to the second.
_SKEW_NS = 10 * SECOND_NS
# How long a catch-up that found nothing to score tells that points cannot be scored; recovery repeats it sooner.
_UNSCORABLE_NS = 900 * SECOND_NS


@dataclass(frozen=True, slots=True)
class Finding:
    """The outcome of one check.

    Attributes:
        check: the check's name.
        pipeline: the pipeline that it is about; empty if it is about the whole stack.
        ok: whether all is well; None if that cannot be known, because another check fails.
        text: a sentence for people; empty if all is well.
        is_for_people: whether only a person can mend it, so that the keeper does not try.
    """

    check: str
    pipeline: str
    ok: bool | None
    text: str = ""
    is_for_people: bool = False

    @property
    def failed(self) -> bool:
        """Whether something is wrong."""
        return self.ok is False


@dataclass(frozen=True, slots=True)
class LastCatchUp:
    """What the last catch-up of a pipeline did.

    Attributes:
        end_ns: up to which time it scored all that can be scored.
        changed: whether it wrote anything.
    """

    end_ns: int
    changed: bool


def findings(pipelines: tuple[Pipeline, ...], sight: StackSight, catch_ups: Mapping[str, LastCatchUp]) -> list[Finding]:
    """Judge one look.

    Args:
        pipelines: the pipelines that were looked at.
        sight: what was seen.
        catch_ups: the last catch-up of each pipeline that had one, by name.

    Returns:
        The findings of the stack, then those of each pipeline.
    """
    result = [
        Finding(INFLUXDB, "", sight.influxdb_error is None, sight.influxdb_error or ""),
        Finding(KAPACITOR, "", sight.kapacitor_error is None, sight.kapacitor_error or "", sight.is_shut_out),
        _judged(CLOCK, "", None if sight.skew_ns is None else _clock(sight.skew_ns)),
    ]
    if sight.disks:
        result.append(_judged(DISK, "", _disks(sight)))
    if sight.ending is not None:
        result.append(_judged(CERTIFICATE, "", _certificates(sight.ending)))
    if sight.late_backup is not None:
        result.append(_judged(BACKUP, "", sight.late_backup))
    for pipeline in pipelines:
        seen = sight.pipelines[pipeline.name]
        result += _of_pipeline(pipeline, seen, sight, catch_ups.get(pipeline.name))
    return result


def _of_pipeline(
    pipeline: Pipeline, seen: PipelineSight, sight: StackSight, catch_up: LastCatchUp | None
) -> Iterator[Finding]:
    name = pipeline.name
    # What Kapacitor's and InfluxDB's own findings explain is not known.
    has_task = sight.kapacitor_error is None and not seen.is_new
    is_known = has_task and sight.influxdb_error is None
    task = _judged(TASK, name, _task(name, seen) if has_task else None)
    yield task
    beat = _judged(UDF, name, _beat(name, seen, sight) if is_known else None)
    model, model_file = _model(name, seen, task, beat)
    yield _judged(MODEL, name, model)
    yield beat
    yield _judged(FED, name, _fed(name, seen) if beat.ok else None)
    is_scored = is_known and model == "" and (seen.has_model or bool(model_file))
    yield _judged(SCORES, name, _scores(pipeline, seen, sight.steady_ns, catch_up) if is_scored else None)
    yield _judged(MODEL_FILE, name, model_file)
    yield _judged(STATE, name, _state(name, seen, sight.time_ns))


def _judged(check: str, pipeline: str, text: str | None) -> Finding:
    """Return the finding of a check that says what is wrong: an empty text if all is well, None if it cannot know."""
    return Finding(check, pipeline, None if text is None else not text, text or "")


def _task(name: str, seen: PipelineSight) -> str:
    if seen.task is None:
        return f"Kapacitor has no task {name}: run site.yml"
    if not seen.task.enabled:
        return f"the task {name} is disabled: run site.yml, or set `enabled: false` in the inventory"
    if not seen.task.executing:
        return f"the task {name} has ended: {seen.task.error or 'Kapacitor gives no reason'}"
    return ""


def _beat(name: str, seen: PipelineSight, sight: StackSight) -> str:
    # Metrics are due a while after the task has started, and after what was away is back.
    if sight.time_ns - max(sight.steady_ns, seen.executing_ns) <= _BEAT_NS:
        return ""
    if seen.beat_ns is None:
        return f"the UDF of {name} has written no metrics for five minutes"
    silent_ns = sight.time_ns - seen.beat_ns
    if silent_ns > _BEAT_NS:
        return f"the UDF of {name} has written no metrics for {silent_ns // SECOND_NS} s"
    return ""


def _model(name: str, seen: PipelineSight, task: Finding, beat: Finding) -> tuple[str | None, str | None]:
    """Return what is wrong with a pipeline's model, and with the file of a model that its UDF has in memory."""
    if seen.damage is None:
        return seen.misfit or "", ""
    if task.failed or beat.failed:
        # A UDF that does not run has nothing in memory.
        return seen.damage, None
    if task.ok is None or beat.ok is None:
        return None, None
    if seen.in_memory is None:
        return seen.damage, None
    return "", f"{name} is scored by model {seen.in_memory} in memory, until its UDF is started again: {seen.damage}"


def _fed(name: str, seen: PipelineSight) -> str:
    if seen.unfed_ns <= _UNFED_NS:
        return ""
    return (
        f"{seen.unfed_ns // SECOND_NS} s of points of {name} are stored and did not reach its UDF: InfluxDB's "
        "subscription does not work, which a restart of Kapacitor renews"
    )


def _state(name: str, seen: PipelineSight, now_ns: int) -> str:
    if seen.state_error is not None:
        return seen.state_error
    if seen.state_ns is None or seen.started_ns is None or now_ns - seen.started_ns < _STATE_NS:
        return ""
    if now_ns - seen.state_ns > _STATE_NS:
        return (
            f"the state of {name} was written {(now_ns - seen.state_ns) // SECOND_NS} s ago, and should be once a "
            "minute: see Kapacitor's log, and the space of its volume"
        )
    return ""


def _disks(sight: StackSight) -> str:
    problems = []
    # By default all folders are on one file system, of which one sentence tells enough.
    sharing: dict[int | str, list[DiskSight]] = {}
    for disk in sight.disks:
        if disk.free is None:
            problems.append(disk.error)
        elif disk.free < sight.least_free:
            sharing.setdefault(disk.name if disk.device is None else disk.device, []).append(disk)
    for disks in sharing.values():
        least = min(disk.free or 0 for disk in disks)
        problems.append(
            f"the volume of {' and '.join(disk.name for disk in disks)} has {least // 2**20} MiB left, of at least "
            f"{sight.least_free // 2**20} MiB: make room, or shorten retention"
        )
    return "; ".join(problems)


def _clock(skew_ns: int) -> str:
    if abs(skew_ns) <= _SKEW_NS:
        return ""
    side = "ahead of" if skew_ns > 0 else "behind"
    return (
        f"InfluxDB's clock is {abs(skew_ns) // SECOND_NS} s {side} this host's: set both by NTP, as points are judged "
        "late or too early by this host's clock"
    )


def _certificates(ending: Mapping[str, int]) -> str:
    if not ending:
        return ""
    said = "; ".join(f"the certificate of {name} ends in {counted(days, 'day')}" for name, days in ending.items())
    return f"{said}: run site.yml, which renews those of the stack, or give another one"


def _scores(pipeline: Pipeline, seen: PipelineSight, steady_ns: int, catch_up: LastCatchUp | None) -> str:
    # Where a catch-up finds nothing to score, the points cannot be scored: a field is missing, or too many points are.
    if seen.point_ns is None:
        return ""
    if catch_up is not None and not catch_up.changed and seen.point_ns - catch_up.end_ns < _UNSCORABLE_NS:
        return ""
    cut = cut_of(pipeline)
    begin_ns = cut.begin(seen.point_ns)
    if begin_ns < steady_ns:
        # These points came while something was away, which has a finding of its own; a catch-up scores them.
        return ""
    score_ns = -1 if seen.score_ns is None else seen.score_ns
    if max(score_ns, -1 if catch_up is None else cut.step(catch_up.end_ns, -1)) >= begin_ns:
        return ""
    since = (
        ""
        if seen.score_ns is None
        else f", the newest {(seen.point_ns - score_ns) // SECOND_NS} s after its last score"
    )
    return f"points of {pipeline.name} are stored and not scored{since}"
