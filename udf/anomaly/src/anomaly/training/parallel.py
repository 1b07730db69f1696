"""Trains several pipelines at the same time, with the threads of one machine.

Threads are enough, as in the folds of one training: numpy and scikit-learn release the interpreter while they compute.
"""

from collections.abc import Callable, Sequence
from typing import TypeVar

from anomaly.pipeline import Pipeline

_MOST_JOBS = 4

Ended = TypeVar("Ended")


def train_side_by_side(
    pipelines: Sequence[Pipeline], train: Callable[[Pipeline, int], Ended], at_once: int, jobs: int | None
) -> list[Ended]:
    """Call `train` for each pipeline, and return what it returns, in the order of the pipelines.

    Args:
        pipelines: at least one.
        train: takes a pipeline and how many threads its training may use; called from several threads.
        at_once: how many pipelines are trained at the same time, at most.
        jobs: threads of all of them together; None: as many as processors, at most 4, as each needs memory.
    """
    # Imported here, so that reading a specification does not wait for joblib.
    from joblib import Parallel, cpu_count, delayed

    # cpu_count knows a container's limits.
    jobs = jobs or min(int(cpu_count()), _MOST_JOBS)
    at_once = min(at_once, jobs, len(pipelines))
    ended: list[Ended] = Parallel(n_jobs=at_once, prefer="threads")(
        delayed(train)(pipeline, jobs // at_once) for pipeline in pipelines
    )
    return ended
