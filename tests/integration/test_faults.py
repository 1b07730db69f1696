"""Some faults of `make test-faults`, one after the other, on a stack of their own under 2,000 points a second."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.faults.deployed import deployed
from tests.faults.report import period_failures, summary, table
from tests.faults.run import Run
from tests.faults.schedule import Event

# The first one proves that losses are seen, and that a keeper that is started makes them good; the second one that all
# in Kapacitor's container heals while the keeper runs. The long run breaks the other parts.
# How fast a recovery is, `make test-faults` measures.
MOST_S = 900.0
EVENTS = [Event("udf_killed", keeper=False), Event("kapacitord_killed")]


@pytest.fixture(scope="module")
def run(kept_images: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Run]:
    with deployed(tmp_path_factory.mktemp("faults")) as stack:
        run = Run(stack, print, MOST_S)
        try:
            run.events(EVENTS)
            yield run
        finally:
            run.end()


def test_without_the_keeper_windows_are_lost_and_found_when_it_is_back(run: Run) -> None:
    assert run.outcomes[0].windows > 0
    assert run.outcomes[0].is_whole


def test_every_point_has_its_score_once_after_each_fault(run: Run) -> None:
    print(table(run.outcomes))
    print(summary(run.outcomes))
    assert [outcome.event for outcome in run.outcomes] == EVENTS
    assert [outcome.is_whole for outcome in run.outcomes] == [True] * len(EVENTS)


def test_periods_and_alerts_are_those_of_an_undisturbed_run(run: Run) -> None:
    assert list(period_failures(run.judge_periods())) == []
