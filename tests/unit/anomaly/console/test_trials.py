"""Trials: one at a time, in a process that is told what to do by lines of JSON, and that may fail in every way."""

import sys
from collections.abc import Callable, Iterator

import pytest

from anomaly.console.trials import CANCELLED, DONE, FAILED, RUNNING, Busy, Ended, Trials

# Answers a trial and then each move, as the command does.
ANSWERS = """
import json, sys
asked = json.loads(sys.stdin.readline())
print(json.dumps({"progress": "scoring", "share": 0.5}), flush=True)
print(json.dumps({"result": asked}), flush=True)
for line in sys.stdin:
    print(json.dumps({"moved": json.loads(line)}), flush=True)
"""
REFUSES = """import json; print(json.dumps({"error": "there is no data: choose an earlier --from"}))"""
HANGS = """import sys; sys.stdin.read()"""
DIES = """import os; os._exit(9)"""
DIES_LATER = ANSWERS.partition("for line")[0]

Make = Callable[[str], Trials]


@pytest.fixture
def make() -> Iterator[Make]:
    made: list[Trials] = []

    def make(program: str) -> Trials:
        made.append(Trials(lambda pipeline: [sys.executable, "-c", program, pipeline]))
        return made[-1]

    yield make
    for trials in made:
        trials.close()


def ended(trials: Trials) -> str:
    """Wait until the trial is over; return its status."""
    assert trials.wait(30.0)
    assert trials.state is not None
    return trials.state.status


def test_a_trial_gives_its_result_and_then_moves(make: Make) -> None:
    trials = make(ANSWERS)

    trials.start("printer", "otto", {"window": "1m"}, "24h", "0s")

    assert ended(trials) == DONE
    assert trials.state is not None
    assert trials.state.result == {"changes": {"window": "1m"}, "from": "24h", "to": "0s"}
    assert trials.move(80, 40) == {"moved": {"open": 80, "close": 40}}
    assert trials.move(81, 41) == {"moved": {"open": 81, "close": 41}}


def test_one_trial_runs_at_a_time(make: Make) -> None:
    trials = make(HANGS)
    trials.start("printer", "otto", {}, "24h", "0s")

    with pytest.raises(Busy, match="A trial of printer by otto is running"):
        trials.start("printer", "vera", {}, "24h", "0s")


def test_a_cancelled_trial_makes_room_for_the_next(make: Make) -> None:
    trials = make(HANGS)
    trials.start("printer", "otto", {}, "24h", "0s")

    trials.cancel()

    assert ended(trials) == CANCELLED
    assert trials.start("printer", "vera", {}, "24h", "0s").status == RUNNING


@pytest.mark.parametrize(
    ("program", "words"),
    [(REFUSES, "there is no data: choose an earlier from"), (DIES, "ended with 9 before its result")],
)
def test_a_trial_that_fails_says_why(make: Make, program: str, words: str) -> None:
    trials = make(program)

    trials.start("printer", "otto", {}, "24h", "0s")

    assert ended(trials) == FAILED
    assert trials.state is not None
    assert words in trials.state.error


def test_a_process_that_has_ended_moves_nothing_more(make: Make) -> None:
    trials = make(DIES_LATER)
    trials.start("printer", "otto", {}, "24h", "0s")
    assert ended(trials) == DONE

    with pytest.raises(Ended, match="Start the trial again"):
        trials.move(80, 40)


def test_nothing_moves_without_a_trial(make: Make) -> None:
    with pytest.raises(Ended, match="Start one"):
        make(ANSWERS).move(80, 40)
