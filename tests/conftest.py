"""What all tests share."""

from __future__ import annotations

import os
from collections.abc import Generator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings

from tests.durations import PROCESSOR, Durations, ProcessorClock
from tests.integration.playbook import RUN_TIMES

ROOT = Path(__file__).resolve().parents[1]

# Ansible, started by tests from any folder, finds the repository's configuration.
os.environ.setdefault("ANSIBLE_CONFIG", str(ROOT / "ansible.cfg"))
# Whatever the user's locale is, and whether it is installed, the programs that tests start write English in UTF-8.
os.environ["LC_ALL"] = "C.UTF-8"
# Workers share the processors already: further threads of numpy's would mostly wait for each other, which is work too.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

# Imported here, as Ansible reads its configuration when it is imported.
from ansible.plugins.loader import init_plugin_loader  # noqa: E402

# Tests import plugins as Ansible does, by the name of the collection that this checkout is.
init_plugin_loader()

# How long an example takes, or its data take to be drawn, says how busy the machine is.
settings.register_profile("untimed", deadline=None, suppress_health_check=[HealthCheck.too_slow])
# `make fuzz` looks for longer, at inputs that no run has seen.
settings.register_profile("fuzz", settings.get_profile("untimed"), max_examples=3_000)
settings.load_profile("untimed")

INTEGRATION = "tests/integration"
# Modules that deploy stacks of their own only.
APART = tuple(f"{INTEGRATION}/test_{name}.py" for name in ("faults", "own_udf", "external_influxdb", "pull", "cluster"))
# A real daemon comes out of an image, so tests that want one need an engine.
DAEMONS = frozenset({"kapacitord", "kapacitord_binary", "influxd_binary"})

# Groups of tests that need containers.
WITH_CONTAINERS: set[str] = set()
# By how much processes give way (man 2 nice). The stack that most tests share decides when a run ends, so its group
# never does; other groups with containers give way to it, and groups without to both.
POLITENESS_WITH_CONTAINERS, POLITENESS = 3, 6

CLOCK = ProcessorClock()
DURATIONS = Durations()


def deploys(nodeid: str) -> bool:
    """Whether a test deploys stacks, or looks at one."""
    return nodeid.startswith(f"{INTEGRATION}/")


def pytest_itemcollected(item: pytest.Item) -> None:
    """Marks what needs an engine."""
    if deploys(item.nodeid) or DAEMONS & set(getattr(item, "fixturenames", ())):
        item.add_marker(pytest.mark.containers)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """With workers, what deploys stacks begins, as it takes longest; what takes daemons out of images comes next,
    while those are still there."""
    if hasattr(config, "workerinput"):
        items.sort(key=lambda item: (not deploys(item.nodeid), item.get_closest_marker("containers") is None))
        WITH_CONTAINERS.update(group(item.nodeid) for item in items if item.get_closest_marker("containers"))


def group(nodeid: str) -> str:
    """Tests of one group must not meet in two workers: those of a module share fixtures, and most that deploy share a
    stack. Those that don't are half of the rest, and one group, as they take as long."""
    module = nodeid.partition("::")[0]
    return "apart" if module in APART else INTEGRATION if deploys(nodeid) else module


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Shares groups out, in their order. The mark xdist_group would do, but xdist 3.8 misses it with pytest 9.2."""
    from xdist.scheduler import LoadScopeScheduling

    config.option.loadscopereorder = False
    scheduling = LoadScopeScheduling(config, log)
    scheduling._split_scope = group
    return scheduling


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Lets a worker give way to those whose tests end a run.

    Groups come in the order of their politeness, and a worker stays polite: only root could take that back.
    """
    if hasattr(item.config, "workerinput"):
        least = politeness(group(item.nodeid))
        os.setpriority(os.PRIO_PROCESS, 0, max(least, os.getpriority(os.PRIO_PROCESS, 0)))


def politeness(name: str) -> int:
    """By how much the tests of a group give way to others."""
    if name == INTEGRATION:
        return 0
    return POLITENESS_WITH_CONTAINERS if name in WITH_CONTAINERS else POLITENESS


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Notes in each report how much a test worked."""
    report = yield
    setattr(report, PROCESSOR, CLOCK.lap_s())
    return report


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """Adds up what the tests of each module took; with workers, all reports come to their controller."""
    node = getattr(report, "node", None)
    DURATIONS.add(report, node.gateway.id if node else "this process")


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Hands over what a worker cannot print."""
    if hasattr(session.config, "workeroutput"):
        session.config.workeroutput["run_times"] = RUN_TIMES


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any, error: object) -> None:
    """Takes what a worker has handed over; one that crashed has not."""
    RUN_TIMES.extend(getattr(node, "workeroutput", {}).get("run_times", ()))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Says how long each playbook, the slowest modules and the workers took: that is where the time goes."""
    for title, lines in (
        ("playbooks, and waits between them", RUN_TIMES),
        ("slowest modules, and workers", list(DURATIONS.lines())),
    ):
        if lines:
            terminalreporter.section(title)
        for line in lines:
            terminalreporter.write_line(line)
