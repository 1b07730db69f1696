"""Running jobs that depend on each other, several at a time."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass


@dataclass(frozen=True)
class BuildJob:
    """Something to do once others are done; of those that could start, the one with the most weight does."""

    work: Callable[[], None]
    after: frozenset[str] = frozenset()
    weight: float = 0


def run_jobs(jobs: Mapping[str, BuildJob], at_once: int, on_failure: Callable[[], None]) -> None:
    """Run all jobs.

    Args:
        jobs: name to job.
        at_once: how many at most at a time.
        on_failure: called once when a job fails, to end those that are running; no other is started.

    Raises:
        Exception: what the first failed job raised.
    """
    waiting = dict(jobs)
    done: set[str] = set()
    running: dict[Future[None], str] = {}
    with ThreadPoolExecutor(max_workers=at_once) as pool:
        try:
            while waiting or running:
                ready = [name for name, job in waiting.items() if job.after <= done]
                for name in sorted(ready, key=lambda each: -jobs[each].weight)[: at_once - len(running)]:
                    running[pool.submit(waiting.pop(name).work)] = name
                finished, _ = wait(running, return_when=FIRST_COMPLETED)
                for future in finished:
                    future.result()
                    done.add(running.pop(future))
        except BaseException:
            on_failure()
            raise
