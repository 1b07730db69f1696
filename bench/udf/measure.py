"""Measures the rows side by side, in short turns, so that what else the machine does meets them all alike.

All rows are up at the same time, each with a kapacitord and a UDF of its own; only one of them has work at any moment.
Every turn gives each row a slice of the same kind, one right after the other, and ratios are those of slices of the
same turn. How many points make up a slice is found out beforehand, row by row, which warms up everything on the way,
and follows the rate from then on.
"""

import io
import subprocess
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

from bench.udf import alone, frames
from bench.udf.errors import BenchError
from bench.udf.percentiles import percentile
from bench.udf.rows import Row
from bench.udf.session import Session, clock
from kapacitor_udf import wire_pb2 as wire

GROUPS = (1, 100, 10_000)


@dataclass(frozen=True)
class Sampling:
    """How much to measure.

    Attributes:
        turns: slices for each number of groups.
        seconds: length of a slice.
        starts: how often a start, Info, the first score, latency and a UDF alone are measured.
        latency_seconds: length of each measurement of latency, at `rate` points a second.
        rate: points a second.
        alone_points: points that a UDF without a kapacitord gets in each turn.
    """

    turns: int = 9
    seconds: float = 0.5
    starts: int = 5
    latency_seconds: float = 3.0
    rate: int = 1000
    alone_points: int = 200_000


@dataclass
class Samples:
    """What one row gave, turn by turn.

    Attributes:
        points_per_s: by number of groups.
        kapacitor_us: processor time of kapacitord for each point, over all groups.
        udf_us: processor time of the UDF's process for each point, over all groups.
        rss_mb: resident memory of the UDF's process, in 10**6 bytes, after warming up with each number of groups; empty
            without a UDF.
        p50_ms: the median of latencies.
        p99_ms: their 99th percentile.
        behind: it did not keep up with the offered rate, and its latencies depend on when the benchmark gave up.
        first_score_s: from the definition of the task to the first point.
        info_s: from the start of the program to its answer to Info; empty without a UDF.
        alone_points_per_s: without a kapacitord, through a pipe; empty for rows that are not measured in this way.
        alone_us: processor time for each point there, the start of the program included.
    """

    points_per_s: dict[int, list[float]] = field(default_factory=dict)
    kapacitor_us: list[float] = field(default_factory=list)
    udf_us: list[float] = field(default_factory=list)
    rss_mb: dict[int, float] = field(default_factory=dict)
    p50_ms: list[float] = field(default_factory=list)
    p99_ms: list[float] = field(default_factory=list)
    behind: bool = False
    first_score_s: list[float] = field(default_factory=list)
    info_s: list[float] = field(default_factory=list)
    alone_points_per_s: list[float] = field(default_factory=list)
    alone_us: list[float] = field(default_factory=list)


def measure(
    rows: Sequence[Row],
    kapacitord: Path,
    environment: Mapping[str, str],
    sampling: Sampling,
    scratch: Path,
    say: Callable[[str], None],
) -> dict[str, Samples]:
    """Measure the rows; `say` hears what is going on. Raises BenchError."""
    samples = {row.name: Samples() for row in rows}
    with ExitStack() as stack:
        sessions = []
        for row in rows:
            say(f"{row.name}: starting kapacitord")
            directory = scratch / row.name
            directory.mkdir()
            sessions.append(stack.enter_context(Session(row, kapacitord, environment, directory)))
        for turn in range(sampling.starts):
            for session in sessions:
                say(f"{session.row.name}: latency, turn {turn + 1} of {sampling.starts}")
                _measure_start(session, environment, sampling, samples[session.row.name])
        for session in sessions:
            session.define_throughput()
        _measure_throughput(sessions, sampling, samples, say)
        for session in sessions:
            session.remove()
    _measure_alone([row for row in rows if row.name in alone.ROWS], environment, sampling, scratch, samples, say)
    return samples


def _measure_start(session: Session, environment: Mapping[str, str], sampling: Sampling, samples: Samples) -> None:
    if session.row.command:
        samples.info_s.append(answer_info(session.row.command, environment))
    samples.first_score_s.append(session.first_score())
    latencies, behind = session.latency(sampling.rate, sampling.latency_seconds)
    session.remove()
    samples.p50_ms.append(percentile(latencies, 50))
    samples.p99_ms.append(percentile(latencies, 99))
    samples.behind |= behind


def _measure_throughput(
    sessions: Sequence[Session], sampling: Sampling, samples: Mapping[str, Samples], say: Callable[[str], None]
) -> None:
    counts = {}
    for groups in GROUPS:
        for session in sessions:
            say(f"{session.row.name}: throughput with {groups:,} groups, warming up")
            counts[groups, session] = session.warm_up(groups, sampling.seconds)
            if session.row.command:
                samples[session.row.name].rss_mb[groups] = session.resident_mb()
    for turn in range(sampling.turns):
        say(f"throughput, turn {turn + 1} of {sampling.turns}")
        for groups in GROUPS:
            for session in sessions:
                count, found = counts[groups, session], samples[session.row.name]
                before = session.processor_seconds()
                rate = count / session.flood(groups, count)
                used = [
                    1e6 * (now - then) / count for now, then in zip(session.processor_seconds(), before, strict=True)
                ]
                counts[groups, session] = max(1, int(rate * sampling.seconds))
                found.points_per_s.setdefault(groups, []).append(rate)
                found.kapacitor_us.append(used[0])
                found.udf_us.append(used[1])


def _measure_alone(
    rows: Sequence[Row],
    environment: Mapping[str, str],
    sampling: Sampling,
    scratch: Path,
    samples: Mapping[str, Samples],
    say: Callable[[str], None],
) -> None:
    path, points = scratch / "frames", sampling.alone_points
    if rows:
        alone.write_frames(path, points)
    for turn in range(sampling.starts):
        for row in rows:
            say(f"{row.name}: alone, turn {turn + 1} of {sampling.starts}")
            # A result of few fields may be shorter than the points that it is made of, but not much.
            least = path.stat().st_size // 2 // row.points_per_result
            seconds, processor_seconds = alone.run_alone(row.command, environment, path, least)
            samples[row.name].alone_points_per_s.append(points / seconds)
            samples[row.name].alone_us.append(1e6 * processor_seconds / points)


def answer_info(command: Sequence[str], environment: Mapping[str, str]) -> float:
    """Seconds from starting a UDF's program to its answer to Info, asked as kapacitord asks at its own start."""
    begin = clock()
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=environment
    ) as process:
        assert process.stdin
        assert isinstance(process.stdout, io.BufferedReader)
        process.stdin.write(frames.frame(wire.Request(info=wire.InfoRequest())))
        process.stdin.flush()
        answer = frames.read(wire.Response, process.stdout)
        taken = (clock() - begin) / 1e9
        process.stdin.close()
        process.stdout.read()
    if answer is None or not answer.HasField("info"):
        raise BenchError(f"no answer to Info. Fix: see what this says by hand: {' '.join(command)}")
    return taken
