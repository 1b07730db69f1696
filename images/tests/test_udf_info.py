"""The bytes of Kapacitor's first exchange with a UDF."""

from __future__ import annotations

import pytest

from images.driver.udf_info import INFO_REQUEST, InfoError, read_info_response

# Response{info: InfoResponse{wants: BATCH, provides: STREAM, options: {"name": {valueTypes: [STRING]}}}}
ANSWER = bytes.fromhex("11 0a0f 0801 1a0b 0a046e616d65 1203 0a0103".replace(" ", ""))


def test_against_the_library() -> None:
    wire = pytest.importorskip("kapacitor_udf.wire_pb2")
    request = wire.Request(info=wire.InfoRequest()).SerializeToString()
    assert bytes((len(request),)) + request == INFO_REQUEST
    info = wire.InfoResponse(wants=1, provides=0)
    info.options["name"].valueTypes.append(3)
    response = wire.Response(info=info).SerializeToString()
    assert bytes((len(response),)) + response == ANSWER


def test_an_answer_is_read() -> None:
    assert read_info_response(ANSWER + b"more")[1] == [1]


@pytest.mark.parametrize(
    ("stream", "problem"),
    [
        (b"", "nothing"),
        (ANSWER[:-1], "should have 17 bytes"),
        (b"\xff", "cut off"),
        (b"Traceback (most recent call last):", "bytes"),
        (b"\x02\x12\x00", "no InfoResponse"),
        (b"\x02\x0a\x05", "cut off"),
    ],
)
def test_anything_else_is_refused(stream: bytes, problem: str) -> None:
    with pytest.raises(InfoError, match=problem):
        read_info_response(stream)
