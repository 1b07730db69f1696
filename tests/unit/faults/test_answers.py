"""What stands in for InfluxDB while it is out of order."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import requests

from tests.faults import answers
from tests.integration.ports import free_port

ROOT = Path(__file__).parents[3]


@contextmanager
def standing_in(answer: str) -> Iterator[str]:
    port = free_port()
    command = [sys.executable, "-m", answers.__name__, str(port), answer]
    with subprocess.Popen(command, stdout=subprocess.PIPE, cwd=ROOT) as process:
        assert process.stdout
        assert process.stdout.readline().decode().strip() == answers.READY
        yield f"http://127.0.0.1:{port}"
        process.kill()


def test_every_request_gets_the_answer() -> None:
    with standing_in("503") as url:
        asked = (requests.get(f"{url}/ping", timeout=60), requests.post(f"{url}/write", data="a b=1", timeout=60))
    assert [(answer.status_code, answer.json()) for answer in asked] == [(503, {"error": "out of order"})] * 2


def test_one_that_never_answers_takes_the_request() -> None:
    with standing_in(answers.NEVER) as url, pytest.raises(requests.exceptions.ReadTimeout):
        requests.post(f"{url}/write", data="a b=1", timeout=(10, 0.2))
