"""Prints the verdict and the stack's addresses on a terminal."""

from collections.abc import Iterable

from rich.console import Console
from rich.table import Table
from rich.text import Text

from anomaly.backtest.evaluate import FoundPeriod
from anomaly.scoring.periods import NO_DATA
from demo.live import LiveSilence
from demo.stack import DeployedStack, Login
from demo.verdict import DemoVerdict
from ingest.times import format_duration, format_time

_NS_PER_MS = 1_000_000


def print_verdict(console: Console, verdict: DemoVerdict) -> None:
    """Print each fault with the period that found it, then the false periods."""
    table = Table(box=None, pad_edge=False, header_style="dim", title_justify="left")
    for name in ("fault", verdict.process.name, "fields", "from", "to"):
        table.add_column(name, no_wrap=True)
    for name in ("found?", "covered", "delay", "severity", "reason"):
        table.add_column(name, justify="right" if name in ("delay", "covered", "severity") else "left", no_wrap=True)
    for outcome in verdict.outcomes:
        fault, worst = outcome.fault, outcome.worst
        table.add_row(
            f"{fault.id} {fault.kind}",
            verdict.process.device_name(fault.device),
            "all" if fault.fields == verdict.process.fields else ", ".join(fault.fields),
            _short(fault.begin_ms),
            _short(fault.end_ms)[-9:],
            Text("yes", "green") if outcome.found else Text("missed", "bold red"),
            f"{outcome.outcome.coverage:.0%}" if outcome.found else "",
            "" if outcome.delay_ms is None else format_duration(outcome.delay_ms),
            "" if worst is None or _is_silence(worst) else f"{worst.period.peak_severity:.0f}",
            "" if worst is None else worst.period.reason,
        )
    if verdict.live is not None:
        table.add_row(*_live_row(verdict.live))
    console.print(table)
    silent = [outcome.fault.id for outcome in verdict.outcomes if outcome.worst and _is_silence(outcome.worst)]
    if silent:
        console.print(
            f"{', '.join(silent)}: the day is replayed, so its clock is that of the points, and silence is known when "
            f"data return.\n{_told_live(verdict.live)}",
            style="dim",
            highlight=False,
        )
    console.print()
    many = "1 false period" if len(verdict.false) == 1 else f"{len(verdict.false)} false periods"
    console.print(
        f"{verdict.found} of {len(verdict.outcomes)} faults found, {many} ({verdict.false_per_day:.2g} a day), "
        f"{verdict.complete - verdict.unscored:,} of {verdict.complete:,} complete windows scored",
        style="bold green" if not verdict.problems else "bold red",
        highlight=False,
    )
    for period in verdict.false:
        console.print(f"  false: {_described(period)}", highlight=False)


def print_addresses(console: Console, stack: DeployedStack, reports: Iterable[tuple[str, str]]) -> None:
    """Print the addresses, and the files that hold the credentials (never the credentials themselves)."""
    table = Table(box=None, pad_edge=False, show_header=False)
    table.add_column(no_wrap=True, style="dim")
    table.add_column(overflow="fold")
    table.add_column(overflow="fold", style="dim")
    table.add_row("InfluxDB", stack.influxdb_url, _login(stack.reader))
    for url in stack.kapacitor_urls:
        table.add_row("Kapacitor", url, _login(stack.kapacitor))
    for page in stack.pages:
        table.add_row(page.name, page.url or f"none: {page.reason}", _login(page.login) if page.login else "")
    table.add_row("Credentials", stack.secrets_dir, "one file for each secret")
    for name, path in reports:
        table.add_row(name, path, "")
    console.print(table, highlight=False)


def _live_row(live: LiveSilence) -> tuple[str | Text, ...]:
    """Return the row of the silence of a live device, which lasts."""
    return (
        "live gap",
        live.device,
        "all",
        _short(live.begin_ms),
        "",
        Text("yes", "green") if live.delay_ms is not None else Text("missed", "bold red"),
        "",
        "" if live.delay_ms is None else _seconds(live.delay_ms),
        "",
        "" if live.delay_ms is None else NO_DATA,
    )


def _told_live(live: LiveSilence | None) -> str:
    """Return what is said of silence where data are live."""
    due = "after `periods.silence` and a window"
    if live is None:
        return f"Where data are live, it is told while it lasts: {due}."
    if live.delay_ms is None:
        return f"Where data are live, it is told while it lasts: {due}, here {_seconds(live.within_ms)}. It was not."
    return (
        f"{live.device} wrote live and stopped. Its silence was told {_seconds(live.delay_ms)} after its last "
        f"window, and lasts.\nIt is told {due}, here {_seconds(live.within_ms)}, and with the next look at the clock."
    )


def _seconds(ms: int) -> str:
    """Return a duration in whole seconds."""
    return format_duration(-(-ms // 1_000) * 1_000)


def _is_silence(found_period: FoundPeriod) -> bool:
    return found_period.period.reason == NO_DATA


def _short(time_ms: int) -> str:
    return format_time(time_ms)[:19].replace("T", " ")


def _login(login: Login) -> str:
    where = f"password in {login.password_file.name}" if login.password_file else "password as in secrets_given"
    return f"user {login.username}, {where}"


def _described(found_period: FoundPeriod) -> str:
    """Return a period as a line for people."""
    (device,), period = found_period.key, found_period.period
    begin_ms = period.begin_ns // _NS_PER_MS
    lasts = format_duration(period.end_ns // _NS_PER_MS - begin_ms)
    return f"{device} {_short(begin_ms)}, {lasts}, severity {period.peak_severity:.0f}, {period.reason}"
