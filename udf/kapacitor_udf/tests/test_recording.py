"""Recordings as files: what was written comes back, wherever the file ends."""

from pathlib import Path

import pytest

from kapacitor_udf import Point
from kapacitor_udf import _peer as peer
from kapacitor_udf._errors import RecordingError
from kapacitor_udf._recording import FROM_UDF, TO_UDF, Recorder, Recording


def test_messages_come_back_in_order_wherever_reads_were_cut(tmp_path: Path) -> None:
    frames = peer.encode_info() + peer.encode_point(Point(1, {"a": 1.0})) + peer.encode_snapshot()
    recorder = Recorder(tmp_path / "r", ["prog", "arg"])
    for index in range(len(frames)):
        recorder.add(TO_UDF, frames[index : index + 1])
        recorder.add(FROM_UDF, frames[index : index + 1])
    recording = Recording(tmp_path / "r")
    assert recording.command == ["prog", "arg"]
    messages = list(recording.messages())
    assert recording.problem is None
    for direction in (TO_UDF, FROM_UDF):
        own = [message for message in messages if message.direction == direction]
        assert [message.data[0] for message in own] == [frames[1], 0x8A, frames[-2]]
    assert [message.time for message in messages] == sorted(message.time for message in messages)


def test_a_recording_that_ends_anywhere_gives_what_came_before(tmp_path: Path) -> None:
    recorder = Recorder(tmp_path / "r", [])
    start = recorder.size
    recorder.add(TO_UDF, peer.encode_info())
    recorder.add(TO_UDF, peer.encode_snapshot())
    data = (tmp_path / "r").read_bytes()
    for end in range(start, len(data)):
        (tmp_path / "cut").write_bytes(data[:end])
        recording = Recording(tmp_path / "cut")
        found = list(recording.messages())
        whole = [start, start + (len(data) - start) // 2]
        assert len(found) == (end >= whole[1])
        assert recording.problem == (None if end in whole else "the recording was cut off")


def test_damage_ends_a_recording(tmp_path: Path) -> None:
    recorder = Recorder(tmp_path / "r", [])
    recorder.add(TO_UDF, peer.encode_info())
    recorder.add(TO_UDF, peer.encode_snapshot())
    data = bytearray((tmp_path / "r").read_bytes())
    data[-1] ^= 1
    (tmp_path / "r").write_bytes(data)
    recording = Recording(tmp_path / "r")
    assert len(list(recording.messages())) == 1
    assert recording.problem == "the recording was cut off"


def test_a_stream_that_is_out_of_step_is_told(tmp_path: Path) -> None:
    recorder = Recorder(tmp_path / "r", [])
    recorder.add(TO_UDF, peer.encode_info())
    recorder.add(FROM_UDF, b"\xff" * 20)
    recorder.add(TO_UDF, peer.encode_snapshot())
    recording = Recording(tmp_path / "r")
    assert len(list(recording.messages())) == 2
    assert "responses" in str(recording.problem)
    assert "out of step" in str(recording.problem)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "is not a recording"),
        (b"something else", "is not a recording"),
        (b"KUDFREC\x09" + bytes(100), "format version 9"),
        (b"KUDFREC\x01", "nothing was recorded"),
    ],
)
def test_what_is_no_recording_is_told(tmp_path: Path, data: bytes, message: str) -> None:
    (tmp_path / "r").write_bytes(data)
    with pytest.raises(RecordingError, match=message):
        Recording(tmp_path / "r")


def test_a_recording_is_not_written_over(tmp_path: Path) -> None:
    Recorder(tmp_path / "r", [])
    with pytest.raises(FileExistsError):
        Recorder(tmp_path / "r", [])
