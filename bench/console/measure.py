"""Writes an hour of scores of very many series into an InfluxDB of its own, and asks consoles for their first page.

Each console is a process that has just started, so nothing of the page is known beforehand. What follows on the first
page (a search, the page again) is asked of the same process, which then says how much memory it took at most.
"""

import json
import os
import re
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import requests

from anomaly.console.settings import ASSETS
from anomaly.influxdb.lines import line
from anomaly.nanoseconds import SECOND_NS
from anomaly.pipeline import Pipeline, normalize
from anomaly.scoring.results import Result
from bench.udf.errors import BenchError
from bench.udf.processes import processor_seconds
from daemons.console import ConsoleProcess
from daemons.influxd import Influxd

_WINDOW_S = 60
_LINES_AT_ONCE = 10_000
_USER, _PASSWORD = "vera", "only looks at it"
_TIMEOUT_S = 60
_DATABASE = "anomaly"
_NAME, _TAG = "meter", "house"


@dataclass(frozen=True, slots=True)
class Look:
    """One look at the first page of a console that has just started.

    Attributes:
        wall_s: seconds from the request to the whole page.
        processor_s: what the console had of the processors meanwhile.
        influxd_s: what InfluxDB had of them.
        again_s: seconds for the page at once afterwards.
        search_s: seconds for a search of all series.
        memory_bytes: the most memory of the console's process.
    """

    wall_s: float
    processor_s: float
    influxd_s: float
    again_s: float
    search_s: float
    memory_bytes: int


def make_pipeline() -> Pipeline:
    """Return the pipeline of the bench."""
    known = {"name": _NAME, "database": "db", "measurement": "m", "fields": ["power"], "window": f"{_WINDOW_S}s"}
    return normalize([{**known, "group_by": [_TAG]}])[0]


def scores(series: int, windows: int, end_ns: int) -> Iterator[str]:
    """Yield a score of each of the newest windows of each series, in line protocol."""
    for number in range(series):
        tags = {"pipeline": _NAME, _TAG: f"house-{number:05d}"}
        for window in range(windows):
            severity = float((number * 7 + window * 13) % 60)
            fields: dict[str, float | int | str | bool] = {"severity": severity, "label": 0, "value_power": 400.0}
            yield line(Result("score", tags, end_ns - (window + 1) * _WINDOW_S * SECOND_NS, fields))


def write_scores(influxd: Influxd, series: int, windows: int) -> None:
    """Write the newest scores of all series."""
    influxd.create(_DATABASE)
    lines = scores(series, windows, time.time_ns() // SECOND_NS * SECOND_NS)
    while batch := list(islice(lines, _LINES_AT_ONCE)):
        influxd.client.write(batch, _DATABASE)


def prepare(folder: Path, influxd: Influxd) -> list[str]:
    """Write settings and the pipeline into a folder, and return the command of a console."""
    assets = folder / "assets"
    assets.mkdir()
    for name in ASSETS:
        (assets / name).touch()
    for name, text in {"password": _PASSWORD, "session": "s" * 40}.items():
        (folder / name).write_text(f"{text}\n")
    settings = {
        "port": 0,
        "users": {_USER: {"role": "viewer", "password_file": str(folder / "password")}},
        "session_secret_file": str(folder / "session"),
        "assets": str(assets),
    }
    (folder / "settings.json").write_text(json.dumps(settings))
    (folder / "pipelines.json").write_text(json.dumps([make_pipeline().as_dict()]))
    words = ["--settings", folder / "settings.json", "--spec", folder / "pipelines.json"]
    words += ["--models", folder / "models", "--influxdb-url", influxd.url, "--results-database", _DATABASE]
    return [sys.executable, "-m", "anomaly", "console", *map(str, words)]


def look(command: list[str], influxd: Influxd, series: int) -> Look:
    """Start a console, look at its first page, and end it.

    Args:
        command: the console's command.
        influxd: the server that holds the scores.
        series: how many series there are.

    Raises:
        BenchError: a page is not there, or does not say how many series there are.
    """
    # `-m` must find the tree that this process was started in.
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    with ConsoleProcess(command, environment) as console, requests.Session() as session:
        _log_in(session, console.url)
        before = [processor_seconds(each.process.pid) for each in (console, influxd)]
        page, wall_s = _timed(lambda: _get(session, f"{console.url}/"))
        after = [processor_seconds(each.process.pid) for each in (console, influxd)]
        again_s = _timed(lambda: _get(session, f"{console.url}/"))[1]
        search_s = _timed(lambda: _get(session, f"{console.url}/?search=house-09"))[1]
        if f"{series:,}" not in page and str(series) not in page:
            raise BenchError(f"the first page does not say that there are {series} series. Fix: the console's log")
        processor_s, influxd_s = (end - begin for begin, end in zip(before, after, strict=True))
        return Look(wall_s, processor_s, influxd_s, again_s, search_s, most_memory_bytes(console.process.pid))


def most_memory_bytes(pid: int) -> int:
    """Return the most resident memory that a process had so far. Raises BenchError if it has ended."""
    found = re.search(r"VmHWM:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text())
    if found is None:
        raise BenchError(f"the process {pid} has ended. Fix: what its log says")
    return int(found[1]) * 1024


def _log_in(session: requests.Session, url: str) -> None:
    token = re.search(r'<meta name="csrf" content="([^"]+)"', _get(session, f"{url}/login"))
    form = {"name": _USER, "password": _PASSWORD, "next": "/nowhere", "csrf": token[1] if token else ""}
    answer = session.post(f"{url}/login", data=form, timeout=_TIMEOUT_S, allow_redirects=False)
    if answer.status_code != 303:
        raise BenchError(f"{url}/login answered {answer.status_code}. Fix: the console's log")


def _get(session: requests.Session, url: str) -> str:
    answer = session.get(url, timeout=_TIMEOUT_S)
    if not answer.ok:
        raise BenchError(f"{url} answered {answer.status_code}. Fix: the console's log")
    return answer.text


def _timed(ask: Callable[[], str]) -> tuple[str, float]:
    begin = time.monotonic()
    text = ask()
    return text, time.monotonic() - begin
