"""The table of a run, and what it calls a failure."""

from tests.faults.report import failures, period_failures, summary, table
from tests.faults.run import Outcome, Periods
from tests.faults.schedule import Event
from tests.faults.undisturbed import Place

KILLED = Event("udf_killed")


def test_a_fault_has_one_row_with_its_median_and_its_worst_recovery() -> None:
    outcomes = [Outcome(KILLED, 300, seconds, 0) for seconds in (10.0, 20.0, 90.0)]
    assert table(outcomes).splitlines()[2:] == ["| SIGKILL of the UDF (`udf_killed`) | 3 | 300 | 20 s | 90 s | 0 |"]
    assert summary(outcomes) == "3 events, recovery: median 20 s (goal 30 s), worst 90 s (goal 180 s)"
    assert not list(failures(outcomes))


def test_windows_that_never_got_their_score_are_a_failure() -> None:
    outcomes = [Outcome(KILLED, 300, 10.0, 0), Outcome(KILLED, 300, 10.0, 0), Outcome(KILLED, 300, None, 7)]
    assert "| over 180 s | 7 |" in table(outcomes)
    assert list(failures(outcomes)) == ["event 3, udf_killed: 7 windows lack their right score after 180 s"]


def test_a_score_that_became_wrong_is_a_failure() -> None:
    assert list(failures([Outcome(KILLED, 0, 0.0, 2)])) == ["event 1, udf_killed: 2 windows have a wrong score"]


def test_no_loss_without_the_keeper_is_a_failure() -> None:
    outcome = Outcome(Event("udf_killed", keeper=False), 0, 0.0, 0)
    assert list(failures([outcome])) == ["event 1, udf_killed: no window was lost without the keeper"]


def test_a_slow_median_is_a_failure() -> None:
    assert list(failures([Outcome(KILLED, 300, 31.0, 0)])) == ["half of the recoveries took longer than 30 s"]


def test_periods_need_not_be_told_while_windows_were_late_or_a_person_repaired() -> None:
    lost = Event("kapacitor_database_lost")
    outcomes = [
        Outcome(KILLED, 0, 0.0, 0),
        Outcome(KILLED, 1, 9.0, 0),
        Outcome(KILLED, 0, 0.0, 2),
        Outcome(lost, 0, 0.0, 0),
    ]
    assert [outcome.kept_detection_from_telling for outcome in outcomes] == [False, True, True, True]


def test_each_difference_of_periods_is_a_failure() -> None:
    nothing: set[Place] = set()
    assert not list(period_failures(Periods(9, nothing, 4, nothing, nothing, nothing, nothing, nothing)))
    said = list(
        period_failures(Periods(9, {("b", 2), ("a", 1)}, 4, {("c", 3)}, {("d", 4)}, {("e", 5)}, {("f", 6)}, {("g", 7)}))
    )
    assert said == [
        "2 of 9 periods differ from those of an undisturbed run: a at 1, b at 2",
        "1 of 4 periods during which nothing was broken were not told: c at 3",
        "1 periods were told twice: d at 4",
        "1 alerts belong to no period of an undisturbed run: e at 5",
        "1 of 4 periods during which nothing was broken were told at other levels: f at 6",
        "1 of 4 periods during which nothing was broken got no all-clear after their end: g at 7",
    ]
