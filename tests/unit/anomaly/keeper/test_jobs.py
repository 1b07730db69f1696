"""Jobs run one at a time, in processes of their own."""

import os
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from anomaly.keeper.jobs import Job, Jobs

WAIT = 60.0


@pytest.fixture
def jobs() -> Iterator[Jobs]:
    jobs = Jobs(WAIT, print)
    yield jobs
    jobs.end()


def look_until(jobs: Jobs, condition: Callable[[], bool]) -> None:
    end = time.monotonic() + WAIT
    while not condition():
        assert time.monotonic() < end
        jobs.look()
        time.sleep(0.01)


def test_they_run_one_after_the_other_and_hand_on_what_they_print(jobs: Jobs) -> None:
    ended: list[tuple[str, int, dict[str, Any]]] = []

    def job(name: str, program: str) -> Job:
        return Job(name, (sys.executable, "-c", program), lambda code, answer, _: ended.append((name, code, answer)))

    print_json = "import json; print('words'); print(json.dumps({'to': 1})); print('{')"
    assert jobs.add(job("a", print_json))
    assert jobs.add(job("b", "import sys; sys.exit(3)"))
    assert not jobs.add(job("b", "pass"))
    jobs.look()
    assert jobs.names == {"a", "b"}
    look_until(jobs, lambda: len(ended) == 2)
    assert ended == [("a", 0, {"to": 1}), ("b", 3, {})]
    assert jobs.names == set()


def test_they_give_way_to_what_serves(jobs: Jobs) -> None:
    answers: list[dict[str, Any]] = []
    # The priority is lowered when the process is there already.
    program = (
        "import json, os, time\n"
        f"while os.nice(0) == {os.nice(0)}: time.sleep(0.01)\n"
        "print(json.dumps({'nice': os.nice(0)}))"
    )
    jobs.add(Job("a", (sys.executable, "-c", program), lambda code, answer, _: answers.append(answer)))
    look_until(jobs, lambda: bool(answers))
    assert answers == [{"nice": 10}]


def test_one_that_was_killed_is_told() -> None:
    said: list[str] = []
    ended: list[int] = []
    jobs = Jobs(WAIT, said.append)
    program = "import os, signal; os.kill(os.getpid(), signal.SIGKILL)"
    jobs.add(Job("a", (sys.executable, "-c", program), lambda code, answer, _: ended.append(code)))
    look_until(jobs, lambda: bool(ended))
    jobs.end()
    assert ended == [-9]
    (line,) = said
    assert line.startswith(f"a: {sys.executable} -c")
    assert line.endswith(
        "was killed by signal 9, and is repeated; if the kernel did it for want of memory, raise keeper_memory"
    )


def test_the_one_that_runs_is_ended_with_the_keeper() -> None:
    jobs = Jobs(WAIT, print)
    ended: list[int] = []
    jobs.add(
        Job("a", (sys.executable, "-c", "import time; time.sleep(600)"), lambda code, answer, _: ended.append(code))
    )
    jobs.look()
    jobs.end()
    assert jobs.names == set()
    assert ended == []


def test_one_that_hangs_is_ended_and_the_next_one_gets_its_turn() -> None:
    said: list[str] = []
    jobs = Jobs(0.05, said.append)
    ended: list[tuple[str, int]] = []
    # It does not heed a request to end.
    program = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); time.sleep(600)"
    for name in ("a", "b"):
        command = (sys.executable, "-c", program)
        jobs.add(Job(name, command, lambda code, answer, _, name=name: ended.append((name, code))))  # type: ignore[misc]
    look_until(jobs, lambda: len(ended) == 2)
    jobs.end()
    assert ended == [("a", -9), ("b", -9)]
    assert [line.partition(":")[0] for line in said] == ["a", "b"]
    assert said[0].endswith("has not ended within 0 s, and was ended")
