"""A UDF alone: the frames that it gets, and what a program that loses points costs."""

import sys
from pathlib import Path

import pytest

from bench.udf import frames
from bench.udf.alone import run_alone, write_frames
from bench.udf.errors import BenchError
from kapacitor_udf import wire_pb2 as wire


def test_the_frames_are_those_of_kapacitor(tmp_path: Path) -> None:
    write_frames(tmp_path / "frames", 3)

    with (tmp_path / "frames").open("rb") as stream:
        requests = [frames.read(wire.Request, stream) for _ in range(5)]

    assert [request and request.WhichOneof("message") for request in requests] == ["init", *["point"] * 3, None]
    assert requests[2] is not None
    point = requests[2].point
    assert (point.group, dict(point.tags), list(point.dimensions)) == ("source=s1", {"source": "s1"}, ["source"])
    assert len(point.fieldsDouble) == 3


def test_a_program_is_measured_from_start_to_end(tmp_path: Path) -> None:
    write_frames(tmp_path / "frames", 100)
    seconds, processor_seconds = run_alone(["cat"], {}, tmp_path / "frames", (tmp_path / "frames").stat().st_size)
    assert 0 < seconds < 60
    assert processor_seconds >= 0


@pytest.mark.parametrize("program, says", [("print('x')", "0 and 2 bytes of at least 10"), ("exit(3)", "ended with 3")])
def test_a_program_that_answers_too_little_fails(tmp_path: Path, program: str, says: str) -> None:
    write_frames(tmp_path / "frames", 1)
    with pytest.raises(BenchError, match=says):
        run_alone([sys.executable, "-c", program], {}, tmp_path / "frames", 10)
