"""The table of a run, for people and for docs/reliability.md."""

from collections.abc import Iterator, Sequence
from statistics import median

from tests.faults.breaking import FAULTS
from tests.faults.run import MOST_S, Outcome, Periods

# What half of the recoveries take at most, and what none exceeds.
MEDIAN_GOAL_S = 30.0


def table(outcomes: Sequence[Outcome]) -> str:
    """Return the outcomes of each fault as a table in Markdown."""
    rows = [
        "| fault | events | windows late, at most | recovery, median | worst | wrong scores |",
        "|---|---|---|---|---|---|",
    ]
    for name in dict.fromkeys(outcome.event.fault for outcome in outcomes):
        mine = [outcome for outcome in outcomes if outcome.event.fault == name]
        rows.append(
            f"| {_text(name)} (`{name}`) | {len(mine)} | {max(outcome.windows for outcome in mine)} "
            f"| {_seconds(_median(mine))} | {_seconds(_worst(mine))} | {sum(outcome.wrong for outcome in mine)} |"
        )
    return "\n".join(rows)


def summary(outcomes: Sequence[Outcome]) -> str:
    """Return how long recovery took over all events, and the goal."""
    return (
        f"{len(outcomes)} events, recovery: median {_seconds(_median(outcomes))} (goal {MEDIAN_GOAL_S:.0f} s), "
        f"worst {_seconds(_worst(outcomes))} (goal {MOST_S:.0f} s)"
    )


def failures(outcomes: Sequence[Outcome]) -> Iterator[str]:
    """Yield a sentence for each event after which a point lacks its right score, and for a goal that was missed."""
    for number, outcome in enumerate(outcomes, 1):
        event = f"event {number}, {outcome.event.fault}"
        if outcome.recovered_s is None:
            yield f"{event}: {outcome.wrong} windows lack their right score after {MOST_S:.0f} s"
        elif outcome.wrong:
            yield f"{event}: {outcome.wrong} windows have a wrong score"
        if not outcome.event.keeper and not outcome.windows:
            yield f"{event}: no window was lost without the keeper"
    if _median(outcomes) > MEDIAN_GOAL_S:
        yield f"half of the recoveries took longer than {MEDIAN_GOAL_S:.0f} s"


def period_failures(periods: Periods) -> Iterator[str]:
    """Yield a sentence for each way in which periods and alerts differ from those of an undisturbed run."""
    for places, what in (
        (periods.wrong, f"of {periods.count} periods differ from those of an undisturbed run"),
        (periods.untold, f"of {periods.calm} periods during which nothing was broken were not told"),
        (periods.told_twice, "periods were told twice"),
        (periods.stray, "alerts belong to no period of an undisturbed run"),
        (
            periods.at_other_levels,
            f"of {periods.calm} periods during which nothing was broken were told at other levels",
        ),
        (
            periods.without_all_clear,
            f"of {periods.calm} periods during which nothing was broken got no all-clear after their end",
        ),
    ):
        if places:
            yield f"{len(places)} {what}: {', '.join(f'{name} at {begin_ns}' for name, begin_ns in sorted(places)[:5])}"


def _text(name: str) -> str:
    fault = FAULTS[name]
    return f"{fault.text}; somebody {fault.by_hand}" if fault.by_hand else fault.text


def _median(outcomes: Sequence[Outcome]) -> float:
    return median(_recovery(outcome) for outcome in outcomes)


def _worst(outcomes: Sequence[Outcome]) -> float:
    return max(_recovery(outcome) for outcome in outcomes)


def _recovery(outcome: Outcome) -> float:
    return float("inf") if outcome.recovered_s is None else outcome.recovered_s


def _seconds(seconds: float) -> str:
    return f"over {MOST_S:.0f} s" if seconds == float("inf") else f"{seconds:.0f} s"
