"""Trainings side by side: their order, and how they share the threads of one machine."""

import threading
from collections.abc import Callable

import pytest

from anomaly.pipeline import Pipeline, normalize
from anomaly.training.parallel import train_side_by_side
from tests.unit.anomaly.printers import PIPELINE

WAIT = 60.0


def pipelines(count: int) -> list[Pipeline]:
    return normalize([{**PIPELINE.as_dict(), "name": f"p{number}"} for number in range(count)])


def meeting(company: int) -> Callable[[Pipeline, int], tuple[str, int]]:
    """Return a training that ends only when `company` of them run at the same time."""
    barrier = threading.Barrier(company)

    def train(pipeline: Pipeline, jobs: int) -> tuple[str, int]:
        barrier.wait(WAIT)
        return pipeline.name, jobs

    return train


@pytest.mark.parametrize(
    ("count", "at_once", "jobs", "together", "threads"),
    [
        (4, 2, 4, 2, 2),
        (4, 4, 4, 4, 1),
        # Two trainings get one of three threads each, and the third thread is left over.
        (4, 2, 3, 2, 1),
        (1, 2, 4, 1, 4),
        # There is one thread, so one training follows the other.
        (3, 3, 1, 1, 1),
    ],
)
def test_trainings_share_the_threads_and_keep_their_order(
    count: int, at_once: int, jobs: int, together: int, threads: int
) -> None:
    ended = train_side_by_side(pipelines(count), meeting(together), at_once, jobs)
    assert ended == [(f"p{number}", threads) for number in range(count)]


def test_without_a_number_of_threads_there_are_at_most_four() -> None:
    def train(pipeline: Pipeline, jobs: int) -> int:
        return jobs

    (jobs,) = train_side_by_side(pipelines(1), train, 1, None)
    assert 1 <= jobs <= 4


def test_an_exception_reaches_whoever_asked() -> None:
    def train(pipeline: Pipeline, jobs: int) -> None:
        raise ValueError(f"{pipeline.name} cannot be trained")

    with pytest.raises(ValueError, match="p0 cannot be trained"):
        train_side_by_side(pipelines(1), train, 1, 1)
