"""Runs the demonstration in eight steps, from no stack to a verdict and a report."""

import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rich.console import Console

from demo.database import DemoDatabase
from demo.errors import DemoError
from demo.feed import BATCH_POINTS, Backlog, wait_for_scores
from demo.history import expected_totals, matches
from demo.kapacitor import PipelineTask
from demo.live import LONGEST_MS, LiveGap, device_name, told_within_ms
from demo.plan import DemoPlan
from demo.playbook import inventory_stack_name, run_playbook
from demo.report import document, write_html, write_json
from demo.stack import DeployedStack, read_stack
from demo.steps import Steps, human
from demo.table import print_addresses, print_verdict
from demo.verdict import DemoVerdict, compare
from demo.windows import complete_windows
from ingest.batches import Pacer, batched
from ingest.faults import Schedule
from ingest.influx import BatchWriter, WriteTarget
from ingest.points import to_lines
from ingest.progress import reporter
from ingest.stack import record_folder
from ingest.stream import DeviceStream
from ingest.times import DAY_MS, format_duration, format_time, now_ms

ROOT = Path(__file__).resolve().parent.parent
DEFAULT_STACK_NAME = "anomaly"

_BATCH = 5_000
_RETRY_MS = 120_000
_SUBSCRIBED_WITHIN_S = 90
"""Kapacitor looks for new databases every 10 s by default; an inventory may have it look once a minute."""


@dataclass(frozen=True)
class DemoOptions:
    """The user's choices.

    Attributes:
        inventory: the inventory to deploy.
        pipeline: the name of the pipeline that watches the devices.
        begin_ms: the day's begin, in milliseconds since 1970.
        length_ms: the day's length.
        history_ms: the length of the clean history.
        devices: how many devices there are.
        seed: the seed of their noise.
        schedule: the faults of the day, and the process whose devices they are of.
        speed_up: how many times as fast as the clock data run; None: as fast as the stack takes them.
        allowed_false: how many false periods are forgiven.
        deploy: whether to run playbooks/site.yml first.
        verbose: whether to print Ansible's output as it comes.
        become_password: sudo's password on the managed hosts; None if sudo does not ask for one.
        variables: extra variables for the playbooks.
    """

    inventory: Path
    pipeline: str
    begin_ms: int
    length_ms: int
    history_ms: int
    devices: int
    seed: int
    schedule: Schedule
    speed_up: float | None
    allowed_false: int
    deploy: bool
    verbose: bool
    become_password: str | None = field(repr=False)
    variables: Mapping[str, Any]


def run(options: DemoOptions, console: Console, steps: Steps) -> bool:
    """Run all steps, and print the verdict.

    Args:
        options: the user's choices.
        console: where to print.
        steps: prints the headings of the steps.

    Returns:
        Whether the verdict is a success.

    Raises:
        DemoError: a step cannot go on.
        IngestError: the stream cannot be written.
    """
    began = time.monotonic()
    if options.deploy:
        with steps.step(
            "deploy",
            "Deploy the stack: playbooks/site.yml",
            "up to 15 min when images are to be built, else about a minute",
        ):
            _playbook(console, options, "site", {})
    stack = read_stack(_summary_path(options), options.pipeline, ROOT, options.schedule.process)
    plan = _plan(options, stack)

    reader, admin = DemoDatabase(stack, stack.reader), DemoDatabase(stack, stack.admin)
    title = f"Write clean history of {plan.devices} {plan.process.title}, {_span(plan.history)}"
    with steps.step("history", title, "some 10 s a day of data, nothing if it is there"):
        _write_history(console, stack, plan, reader)

    with steps.step("train", "Train the model on it: playbooks/train.yml", "about half a minute"):
        _playbook(
            console,
            options,
            "train",
            {
                "train_pipelines": [stack.pipeline.name],
                # A second demonstration of one day does not need a second training.
                "train_if_needed": True,
                "train_from": format_time(plan.history_start_ms),
                "train_to": format_time(plan.begin_ms),
            },
        )

    task = PipelineTask(stack)
    with steps.step(
        "reset", "Remove what an earlier demonstration left of that time, define the task anew", "a few seconds"
    ):
        _wait_for_subscription(stack, admin)
        task.restart(lambda: _forget(stack, plan, admin))
    live = _live_gap(stack, plan)
    if live is not None:
        live.start()

    title = f"Stream {_span(plan.day)} with {len(plan.faults)} faults"
    with steps.step("stream", title, _pace(options)):
        _stream_day(options, stack, plan, reader, task)

    title = f"Wait until all is scored up to {format_time(plan.last_window_ms())}"
    if live is not None:
        title += f", and the silence of {live.device} is told, which wrote live and stopped"
    with steps.step("wait", title, "half a minute" if live is None else "about a minute"):
        _wait_for_the_end(stack, plan, reader, task)
        silence = None if live is None else live.result()

    with steps.step("compare", "Compare what was found with what was injected", "a few seconds"):
        periods = reader.periods(stack.pipeline, plan.names, plan.begin_ms, plan.tail_end_ms)
        complete = complete_windows(plan.day, plan.window_ms, plan.end_ms)
        scored = {name: reader.count_scores(stack.pipeline, name, plan.begin_ms, plan.end_ms) for name in plan.names}
        verdict = compare(
            plan.faults,
            periods,
            plan.window_ms,
            plan.length_ms,
            complete,
            scored,
            options.allowed_false,
            plan.process,
            silence,
        )
        reports = _write_reports(stack, plan, verdict, steps.elapsed_s)

    console.print()
    print_verdict(console, verdict)

    with steps.step("report", "Plot the day: playbooks/report.yml", "about half a minute"):
        reports.insert(0, ("Report", _shown(_plot_day(console, options, stack, plan))))

    console.print()
    print_addresses(console, stack, reports)
    console.print()
    for problem in verdict.problems:
        console.print(f"not good: {problem}", style="red", highlight=False)
    console.print(f"All in all {human(time.monotonic() - began)}.", highlight=False)
    return not verdict.problems


def _playbook(console: Console, options: DemoOptions, name: str, variables: Mapping[str, Any]) -> None:
    changed = run_playbook(
        console,
        ROOT,
        f"playbooks/{name}.yml",
        options.inventory,
        ROOT / "build" / "logs" / f"demo-{name}.log",
        {**options.variables, **variables},
        become_password=options.become_password,
        verbose=options.verbose,
    )
    console.print(f"    {changed} changed", highlight=False)


def _plot_day(console: Console, options: DemoOptions, stack: DeployedStack, plan: DemoPlan) -> Path:
    """Write the report of the streamed day, and return the path of its page. Raises DemoError if there is none."""
    _playbook(
        console,
        options,
        "report",
        {
            "report_pipelines": [stack.pipeline.name],
            "report_from": format_time(plan.begin_ms),
            "report_to": format_time(plan.end_ms),
        },
    )
    return newest_report(stack.folder)


def newest_report(folder: Path) -> Path:
    """Return the page that playbooks/report.yml wrote last.

    Args:
        folder: the stack's folder on the controller; with several Kapacitors it has a page of each host.

    Raises:
        DemoError: there is none.
    """
    pages = sorted(folder.glob("report*.html"), key=lambda path: path.stat().st_mtime_ns)
    if not pages:
        raise DemoError(f"playbooks/report.yml wrote no page into {folder}. Fix: see build/logs/demo-report.log")
    return pages[-1]


def _summary_path(options: DemoOptions) -> Path:
    """Return the path of the summary that site.yml writes for the inventory."""
    given = options.variables.get("stack_name")
    name = given or inventory_stack_name(ROOT, options.inventory) or DEFAULT_STACK_NAME
    return record_folder(options.inventory, ROOT) / name / "summary.json"


def _plan(options: DemoOptions, stack: DeployedStack) -> DemoPlan:
    """Make the plan. Raises DemoError if the day does not consist of whole windows."""
    window_ms = stack.pipeline.window_ms
    for name, value in (("--start", options.begin_ms), ("--length", options.length_ms)):
        if value % window_ms:
            raise DemoError(
                f"{name} {format_time(value) if name == '--start' else format_duration(value)} is not a multiple of "
                f"the pipeline's window, {format_duration(window_ms)}. Fix: one that is"
            )
    return DemoPlan(
        options.begin_ms,
        options.length_ms,
        options.history_ms,
        options.devices,
        options.seed,
        options.schedule,
        window_ms,
    )


def _target(stack: DeployedStack) -> WriteTarget:
    pipeline, writer = stack.pipeline, stack.writer
    return WriteTarget(
        stack.influxdb_url,
        writer.username,
        writer.password,
        pipeline.database,
        pipeline.retention_policy,
        pipeline.measurement,
        stack.ca_file,
    )


def _write_history(console: Console, stack: DeployedStack, plan: DemoPlan, reader: DemoDatabase) -> None:
    """Write the clean history, unless InfluxDB holds it, and check that it was written completely."""
    stream, measurement = plan.history, stack.pipeline.measurement
    expected = expected_totals(stream)
    present = {name: reader.totals(stack.pipeline, name, plan.history_start_ms, plan.begin_ms) for name in expected}
    if all(matches(present[name], expected[name]) for name in expected):
        console.print("    it is there, complete and unchanged", highlight=False)
        return
    with reporter("history", stream.samples * stream.devices, sys.stdout) as progress:
        writer = BatchWriter(_target(stack), stream.precision, _RETRY_MS, progress.note)
        for batch in batched(stream.points(), _BATCH):
            writer.write(to_lines(batch, measurement, stream.precision))
            progress.advance(len(batch), format_time(batch[-1].time_ns // 1_000_000))
        writer.close()
    for name, totals in expected.items():
        written = reader.totals(stack.pipeline, name, plan.history_start_ms, plan.begin_ms)
        if not matches(written, totals):
            raise DemoError(
                f"{measurement} of {name} in database '{stack.pipeline.database}' holds {written.counts} values where "
                f"{totals.counts} were written. Fix: see that nobody else writes {plan.process.title} of that name; "
                "another --start"
            )


def _wait_for_subscription(stack: DeployedStack, admin: DemoDatabase) -> None:
    """Wait until Kapacitor subscribes to the pipeline's source, as earlier points would not reach it."""
    deadline = time.monotonic() + _SUBSCRIBED_WITHIN_S
    while not admin.subscriptions(stack.pipeline):
        if time.monotonic() > deadline:
            raise DemoError(
                f"Kapacitor has no subscription to {stack.pipeline.database}.{stack.pipeline.retention_policy} "
                f"after {_SUBSCRIBED_WITHIN_S} s. Fix: ansible-playbook playbooks/site.yml --tags kapacitor"
            )
        time.sleep(1)


def _forget(stack: DeployedStack, plan: DemoPlan, admin: DemoDatabase) -> None:
    """Remove the points and results of an earlier demonstration, so that they do not enter this verdict."""
    for name in plan.names:
        admin.delete_results(stack.pipeline, name, plan.history_start_ms, plan.tail_end_ms)
        admin.delete_points(stack.pipeline, name, plan.begin_ms, plan.tail_end_ms)
    if _live_within_ms(stack) is not None:
        live, until_ms = device_name(plan.process), now_ms() + DAY_MS
        admin.delete_results(stack.pipeline, live, 0, until_ms)
        admin.delete_points(stack.pipeline, live, 0, until_ms)


def _live_within_ms(stack: DeployedStack) -> int | None:
    """Return how soon the silence of a live device is to be told; None if it is not demonstrated."""
    within_ms = told_within_ms(stack.pipeline)
    return None if within_ms is None or within_ms > LONGEST_MS else within_ms


def _live_gap(stack: DeployedStack, plan: DemoPlan) -> LiveGap | None:
    """Return a device that writes live and falls silent, with connections of its own; None where it would take long."""
    within_ms, measurement = _live_within_ms(stack), stack.pipeline.measurement
    if within_ms is None:
        return None
    writer = BatchWriter(_target(stack), "ms", _RETRY_MS, lambda line: None)
    reader = DemoDatabase(stack, stack.reader)
    return LiveGap(
        stack.pipeline,
        plan.process,
        plan.seed,
        within_ms,
        lambda points: writer.write(to_lines(points, measurement, "ms")),
        lambda device, since_ms: reader.silence_state(stack.pipeline, device, since_ms),
    )


def _stream_day(
    options: DemoOptions, stack: DeployedStack, plan: DemoPlan, reader: DemoDatabase, task: PipelineTask
) -> None:
    """Write the day's stream, paced by the clock if asked for, and always by the scores."""
    stream = plan.day
    backlog = Backlog(plan.window_ms, tag=plan.process.name)
    pacer = Pacer(options.speed_up) if options.speed_up else None
    with reporter("day", stream.samples * stream.devices, sys.stdout) as progress:
        writer = BatchWriter(_target(stack), stream.precision, _RETRY_MS, progress.note)
        for batch in batched(stream.points(), BATCH_POINTS, pacer.span_ns if pacer else None):
            wait_for_scores(
                lambda: reader.latest_scores(stack.pipeline, plan.begin_ms, plan.tail_end_ms),
                backlog.may_write,
                lambda latest: None,
                task.trouble,
            )
            if pacer:
                pacer.wait_for(batch[-1].time_ns)
            writer.write(to_lines(batch, stack.pipeline.measurement, stream.precision))
            backlog.wrote(batch)
            progress.advance(len(batch), format_time(batch[-1].time_ns // 1_000_000))
        writer.close()


def _wait_for_the_end(stack: DeployedStack, plan: DemoPlan, reader: DemoDatabase, task: PipelineTask) -> None:
    """Wait until the last window of each device has a score."""
    last_ms = plan.last_window_ms()
    windows = (last_ms - plan.begin_ms) // plan.window_ms + 1
    done = 0
    with reporter("scored", windows * plan.devices, sys.stdout, unit="windows") as progress:

        def seen(latest: Mapping[str, int]) -> None:
            nonlocal done
            ends = [latest[name] + plan.window_ms for name in plan.names if name in latest]
            now = sum((end - plan.begin_ms) // plan.window_ms for end in ends)
            progress.advance(now - done, format_time(min(ends, default=plan.begin_ms)))
            done = now

        wait_for_scores(
            lambda: reader.latest_scores(stack.pipeline, plan.begin_ms, plan.tail_end_ms),
            lambda latest: all(latest.get(name, -1) >= last_ms for name in plan.names),
            seen,
            task.trouble,
        )


def _write_reports(
    stack: DeployedStack, plan: DemoPlan, verdict: DemoVerdict, elapsed_s: Mapping[str, float]
) -> list[tuple[str, str]]:
    """Write both forms of the report, and return their names and paths."""
    content = document(stack, plan, verdict, elapsed_s)
    as_json, as_html = stack.folder / "demo.json", stack.folder / "demo.html"
    write_json(as_json, content)
    write_html(as_html, content)
    return [("Verdict", _shown(as_html)), ("as JSON", _shown(as_json))]


def _shown(path: Path) -> str:
    return str(path.relative_to(ROOT)) if path.is_relative_to(ROOT) else str(path)


def _span(stream: DeviceStream) -> str:
    return f"{format_time(stream.begin_ms)} to {format_time(stream.end_ms)}"


def _pace(options: DemoOptions) -> str:
    """Return how long the stream will take, for people."""
    if options.speed_up:
        return human(options.length_ms / 1_000 / options.speed_up)
    return "about half a minute a day of data: as fast as it is scored"
