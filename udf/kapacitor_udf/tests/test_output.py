"""The writing descriptor, shared by two threads."""

import os
import threading
from collections.abc import Iterator

import pytest

from kapacitor_udf._output import Output


@pytest.fixture
def pipe() -> Iterator[tuple[int, int]]:
    ends = os.pipe()
    yield ends
    for end in ends:
        os.close(end)


def test_frames_of_two_threads_are_never_torn(pipe: tuple[int, int]) -> None:
    source, sink = pipe
    output = Output(sink)
    # Larger than a pipe, so that each write takes several.
    frames = [letter * 300_000 for letter in (b"a", b"b")]
    threads = [threading.Thread(target=output.write, args=(frame,)) for frame in frames]
    for thread in threads:
        thread.start()

    data = b""
    while len(data) < 600_000:
        data += os.read(source, 2**20)

    for thread in threads:
        thread.join()
    assert data in (frames[0] + frames[1], frames[1] + frames[0])


def test_it_knows_when_it_wrote_last(pipe: tuple[int, int]) -> None:
    output = Output(pipe[1])
    assert output.written_at == 0
    output.write(b"x")
    assert output.written_at > 0
