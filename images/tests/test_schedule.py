"""Jobs run after what they need, the longest first, and not at all once one has failed."""

from __future__ import annotations

import threading

import pytest

from images.driver.schedule import BuildJob, run_jobs


def never() -> None:
    raise AssertionError("nothing failed")


def test_order() -> None:
    order: list[str] = []
    jobs = {
        "last": BuildJob(lambda: order.append("last"), frozenset({"long", "short"})),
        "short": BuildJob(lambda: order.append("short"), frozenset({"first"}), 1),
        "long": BuildJob(lambda: order.append("long"), frozenset({"first"}), 2),
        "first": BuildJob(lambda: order.append("first")),
    }
    run_jobs(jobs, 1, never)
    assert order == ["first", "long", "short", "last"]


def test_two_at_once() -> None:
    meet = threading.Barrier(2, timeout=10)

    def work() -> None:
        meet.wait()

    run_jobs({"a": BuildJob(work), "b": BuildJob(work)}, 2, never)


def test_a_failure_ends_all() -> None:
    ended = threading.Event()

    def fail() -> None:
        raise ValueError("no")

    def wait() -> None:
        assert ended.wait(10)

    with pytest.raises(ValueError, match="no"):
        run_jobs({"a": BuildJob(fail), "b": BuildJob(wait), "c": BuildJob(never, frozenset({"a"}))}, 2, ended.set)
