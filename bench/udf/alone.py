"""UDFs alone: a file of Kapacitor's frames through a pipe, without a kapacitord, which would take most of the time."""

import os
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from bench.udf import frames
from bench.udf.data import FIELDS, MEASUREMENT, START_NS, TAG, values
from bench.udf.errors import BenchError
from bench.udf.session import clock
from kapacitor_udf import wire_pb2 as wire

ROWS = ("go_echo", "stock_echo", "objects", "echo", "arrays")
"""The rows that are measured in this way."""
GROUPS = 100


def write_frames(path: Path, points: int) -> None:
    """Write Init and points of 100 groups, as Kapacitor sends them."""
    with path.open("wb") as file:
        file.write(frames.frame(wire.Request(init=wire.InitRequest(taskID="bench", nodeID="udf2"))))
        random = values(GROUPS)
        for index in range(points):
            source = f"s{index % GROUPS}"
            point = wire.Point(
                time=START_NS + index,
                name=MEASUREMENT,
                database="db",
                retentionPolicy="autogen",
                group=f"{TAG}={source}",
                dimensions=[TAG],
                tags={TAG: source},
                fieldsDouble={name: random.gauss(*about) for name, about in FIELDS.items()},
            )
            file.write(frames.frame(wire.Request(point=point)))


def run_alone(command: Sequence[str], environment: Mapping[str, str], path: Path, least: int) -> tuple[float, float]:
    """Feed a file of frames to a program.

    Args:
        command: starts the program.
        environment: the program's.
        path: the frames.
        least: bytes that the program must answer with, as one that loses points is fast.

    Returns:
        Seconds from the program's start to its end, and the processor seconds that it used.

    Raises:
        BenchError: The program failed, or answered with too little.
    """
    output = path.with_suffix(".out")
    begin = clock()
    with (
        output.open("wb") as answers,
        subprocess.Popen(["cat", path], stdout=subprocess.PIPE) as feeder,
        subprocess.Popen(
            command, stdin=feeder.stdout, stdout=answers, stderr=subprocess.PIPE, env=environment
        ) as process,
    ):
        assert feeder.stdout
        assert process.stderr
        feeder.stdout.close()
        said = process.stderr.read()
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    seconds = (clock() - begin) / 1e9
    size = output.stat().st_size
    output.unlink()
    if process.returncode or size < least:
        raise BenchError(
            f"{' '.join(command)} ended with {process.returncode} and {size:,} bytes of at least {least:,}. "
            f"It said: {said[-2000:].decode('utf-8', 'replace')}"
        )
    return seconds, usage.ru_utime + usage.ru_stime
