"""What is done for a pipeline next, with a clock that the tests move by hand."""

from dataclasses import replace

import pytest

from anomaly.keeper.checks import FED, INFLUXDB, KAPACITOR, SCORES, TASK, UDF, Finding, LastCatchUp
from anomaly.keeper.kapacitor import TaskState
from anomaly.keeper.recovery import INFLUXDB_DISK, Backoff, InfluxdbRestarts, Recovery, Restarts
from anomaly.keeper.watch import DiskSight, PipelineSight, StackSight, settled_ns
from anomaly.pipeline import normalize
from tests.unit.anomaly.printers import PIPELINE, WINDOW_NS

SECOND = 1_000_000_000
NOW_NS = 1_704_067_200 * SECOND
STARTED_NS = NOW_NS - 3600 * SECOND
RUNNING = TaskState(enabled=True, executing=True, error="")
WELL = PipelineSight(task=RUNNING, beat_ns=NOW_NS, started_ns=STARTED_NS, has_model=True)
ENDED = replace(WELL, task=TaskState(enabled=True, executing=False, error="killed"))
STARTING = replace(WELL, task=TaskState(enabled=True, executing=False, error=""))
DISABLED = replace(WELL, task=TaskState(enabled=False, executing=False, error=""))
REACHES_NS = settled_ns(PIPELINE) + WINDOW_NS


def failed(*checks: str) -> list[Finding]:
    return [Finding(check, PIPELINE.name, check not in checks) for check in (TASK, UDF, SCORES)]


def started_at(recovery: Recovery, sight: PipelineSight, check: str, seconds: range) -> list[int]:
    """Look at each of these seconds, start the task when told to, and return when that was."""
    starts: list[int] = []
    for second in seconds:
        now_ns = NOW_NS + second * SECOND
        if recovery.look(sight, failed(check), now_ns):
            recovery.started(now_ns)
            starts.append(second)
    return starts


def after_its_first_catch_up() -> Recovery:
    recovery = Recovery(PIPELINE)
    recovery.look(WELL, failed(), NOW_NS)
    recovery.caught_up(LastCatchUp(NOW_NS, changed=False), NOW_NS)
    return recovery


def test_pauses_double_up_to_the_longest_and_begin_anew() -> None:
    backoff = Backoff(first_ns=10, longest_ns=35)
    pauses, now_ns = [], 0
    for _ in range(4):
        assert backoff.ready(now_ns)
        backoff.attempted(now_ns)
        pause = next(pause for pause in range(100) if backoff.ready(now_ns + pause))
        pauses.append(pause)
        now_ns += pause
    assert pauses == [10, 20, 35, 35]
    backoff.reset()
    assert backoff.ready(0)


def test_a_task_that_has_ended_is_started_at_once_and_then_with_growing_pauses() -> None:
    recovery = Recovery(PIPELINE)
    assert started_at(recovery, ENDED, TASK, range(200)) == [0, 10, 30, 70, 150]
    assert recovery.starts == 5


def test_a_udf_that_was_started_has_time_to_write_its_first_metrics() -> None:
    assert started_at(Recovery(PIPELINE), WELL, UDF, range(250)) == [0, 45, 90, 135, 215]


def test_a_task_that_somebody_disables_is_left_alone_for_a_minute() -> None:
    assert started_at(Recovery(PIPELINE), DISABLED, TASK, range(0, 100, 5)) == [60, 70, 90]


def test_a_task_that_a_deployment_starts_is_left_alone_while_kapacitor_waits_for_its_udf() -> None:
    recovery = Recovery(PIPELINE)
    assert started_at(recovery, STARTING, TASK, range(0, 60, 5)) == [45]
    assert started_at(recovery, STARTING, TASK, range(60, 90, 5)) == [], "it is given the time again"
    assert started_at(recovery, ENDED, TASK, range(90, 100, 5)) == [90]
    recovery.look(WELL, failed(), NOW_NS + 100 * SECOND)
    assert started_at(recovery, STARTING, TASK, range(105, 155, 5)) == [150]


def test_a_task_that_kapacitor_does_not_have_is_the_controllers() -> None:
    assert started_at(Recovery(PIPELINE), replace(WELL, task=None), TASK, range(100)) == []


def test_pauses_are_short_again_once_a_udf_has_written_metrics_for_a_while() -> None:
    recovery = Recovery(PIPELINE)
    assert started_at(recovery, ENDED, TASK, range(100)) == [0, 10, 30, 70]
    writing = replace(WELL, beat_ns=NOW_NS + 80 * SECOND)
    for second in range(100, 121):
        recovery.look(writing, failed(), NOW_NS + second * SECOND)
    assert started_at(recovery, ENDED, TASK, range(121, 145)) == [121, 131]


def test_pauses_grow_while_a_udf_dies_soon_after_each_start() -> None:
    recovery = Recovery(PIPELINE)
    starts: list[int] = []
    for second in range(400):
        lives = starts and second - starts[-1] < 25
        # It writes its first metrics ten seconds after its start.
        beat_ns = NOW_NS + (starts[-1] + 10) * SECOND if lives and second - starts[-1] >= 10 else NOW_NS - SECOND
        sight = replace(WELL if lives else ENDED, beat_ns=beat_ns)
        now_ns = NOW_NS + second * SECOND
        if recovery.look(sight, failed() if lives else failed(TASK), now_ns):
            recovery.started(now_ns)
            starts.append(second)
    assert starts == [0, 25, 50, 90, 170, 330]


def test_pauses_grow_while_a_udf_hangs_from_its_start_on() -> None:
    recovery = Recovery(PIPELINE)
    silent = replace(WELL, beat_ns=NOW_NS - SECOND)
    starts: list[int] = []
    for second in range(600):
        # Its silence is only found after a while.
        hangs = not starts or second - starts[-1] > 35
        now_ns = NOW_NS + second * SECOND
        if recovery.look(silent, failed(UDF) if hangs else failed(), now_ns):
            recovery.started(now_ns)
            starts.append(second)
    assert starts == [0, 45, 90, 135, 215, 375]


def test_nobody_knows_what_happened_before_the_keeper_was_started() -> None:
    recovery = Recovery(PIPELINE)
    recovery.look(WELL, failed(), NOW_NS)
    assert not recovery.catch_up_due(NOW_NS + REACHES_NS - 1)
    assert recovery.catch_up_due(NOW_NS + REACHES_NS)
    recovery.caught_up(LastCatchUp(NOW_NS, changed=False), NOW_NS + REACHES_NS)
    assert not recovery.catch_up_due(NOW_NS + 10 * REACHES_NS)


def test_a_restart_of_the_udf_makes_a_catch_up_due_that_reaches_behind_it() -> None:
    recovery = after_its_first_catch_up()
    begun_ns = NOW_NS + 100 * SECOND
    recovery.look(replace(WELL, started_ns=begun_ns), failed(), begun_ns + 12 * SECOND)
    # The window in which it was started may lack points.
    reached_ns = begun_ns + PIPELINE.window_ns + REACHES_NS
    assert not recovery.catch_up_due(reached_ns - 1)
    assert recovery.catch_up_due(reached_ns)


def test_what_was_missed_before_a_restart_does_not_wait_for_the_end_of_a_long_window() -> None:
    long = {"window": "1h", "periods": {"silence": "3h", "merge": "1h"}, "alerts": {"age": "1d"}}
    (hourly,) = normalize([{**PIPELINE.as_dict(), **long}])
    recovery = Recovery(hourly)
    recovery.look(WELL, failed(), NOW_NS)
    reaches_ns = settled_ns(hourly) + hourly.window_ns
    recovery.caught_up(LastCatchUp(NOW_NS, changed=False), NOW_NS + reaches_ns)
    begun_ns = NOW_NS + 4 * reaches_ns
    recovery.look(replace(WELL, started_ns=begun_ns), failed(), begun_ns)
    assert recovery.catch_up_due(begun_ns + reaches_ns)


def test_results_that_influxdb_did_not_take_make_a_catch_up_due() -> None:
    recovery = after_its_first_catch_up()
    for second, lost in ((50, 2), (60, 2), (70, 0)):
        seen_ns = NOW_NS + second * SECOND
        recovery.look(replace(WELL, task=replace(RUNNING, lost_writes=lost)), failed(), seen_ns)
    assert not recovery.catch_up_due(NOW_NS + 50 * SECOND + REACHES_NS - 1)
    assert recovery.catch_up_due(NOW_NS + 50 * SECOND + REACHES_NS)
    recovery.caught_up(LastCatchUp(NOW_NS + 50 * SECOND, changed=True), NOW_NS + 50 * SECOND + REACHES_NS)
    # The task was started again meanwhile, so as many as before are others.
    recovery.look(replace(WELL, task=replace(RUNNING, lost_writes=2)), failed(), NOW_NS + 90 * SECOND)
    assert recovery.catch_up_due(NOW_NS + 90 * SECOND + REACHES_NS)


def test_it_waits_for_a_catch_up_until_one_has_reached_what_is_missing() -> None:
    recovery = after_its_first_catch_up()
    seen_ns = NOW_NS + 50 * SECOND
    assert not recovery.waits(seen_ns)
    recovery.look(replace(WELL, late_seen_ns=seen_ns), failed(), seen_ns)
    assert recovery.waits(seen_ns)
    # One that did not help is not repeated at once.
    recovery.caught_up(LastCatchUp(NOW_NS, changed=False), seen_ns)
    assert not recovery.waits(seen_ns)
    assert recovery.waits(seen_ns + 600 * SECOND)
    recovery.caught_up(LastCatchUp(seen_ns, changed=True), seen_ns)
    assert not recovery.waits(seen_ns + 600 * SECOND)


def test_a_task_that_the_keeper_starts_again_makes_a_catch_up_due_before_its_udf_says_anything() -> None:
    recovery = after_its_first_catch_up()
    now_ns = NOW_NS + 60 * SECOND
    assert recovery.look(ENDED, failed(TASK), now_ns)
    assert not recovery.catch_up_due(now_ns + REACHES_NS)
    recovery.started(now_ns)
    assert not recovery.catch_up_due(now_ns + REACHES_NS - 1)
    assert recovery.catch_up_due(now_ns + REACHES_NS)


def test_a_start_that_is_computed_a_little_later_is_no_restart() -> None:
    recovery = after_its_first_catch_up()
    recovery.look(replace(WELL, started_ns=STARTED_NS + SECOND), failed(), NOW_NS + 100 * SECOND)
    assert not recovery.catch_up_due(NOW_NS + 10 * REACHES_NS)


def test_late_points_make_a_catch_up_due() -> None:
    recovery = after_its_first_catch_up()
    seen_ns = NOW_NS + 50 * SECOND
    recovery.look(replace(WELL, late_seen_ns=seen_ns), failed(), seen_ns)
    assert recovery.catch_up_due(seen_ns + REACHES_NS)
    assert not recovery.catch_up_due(seen_ns + REACHES_NS - 1)


def test_points_without_a_score_make_a_catch_up_due() -> None:
    recovery = after_its_first_catch_up()
    begin_ns = NOW_NS + 3 * WINDOW_NS
    now_ns = begin_ns + WINDOW_NS + REACHES_NS
    recovery.look(replace(WELL, point_ns=begin_ns + SECOND, score_ns=begin_ns - WINDOW_NS), failed(SCORES), now_ns)
    assert recovery.catch_up_due(now_ns)
    assert not recovery.catch_up_due(now_ns - 1)


def test_a_pipeline_without_a_model_is_not_caught_up_with() -> None:
    recovery = after_its_first_catch_up()
    now_ns = NOW_NS + 100 * WINDOW_NS
    recovery.look(replace(WELL, has_model=False, point_ns=now_ns), failed(), now_ns)
    assert not recovery.catch_up_due(now_ns + 10 * REACHES_NS)


def test_a_catch_up_that_fails_or_changes_nothing_is_repeated_with_growing_pauses() -> None:
    recovery = Recovery(PIPELINE)
    recovery.look(WELL, failed(), NOW_NS)
    now_ns = NOW_NS + REACHES_NS
    recovery.caught_up(None, now_ns)
    assert not recovery.catch_up_due(now_ns + 9 * SECOND)
    assert recovery.catch_up_due(now_ns + 10 * SECOND)
    recovery.caught_up(LastCatchUp(NOW_NS - 1, changed=False), now_ns + 10 * SECOND)
    assert not recovery.catch_up_due(now_ns + 29 * SECOND)
    assert recovery.catch_up_due(now_ns + 30 * SECOND)


def test_what_nobody_noticed_is_looked_for_after_ten_minutes_and_seldom_where_that_takes_long() -> None:
    recovery = Recovery(PIPELINE)
    for took_s, pause_s in ((30, 600), (31, 620)):
        recovery.caught_up(LastCatchUp(NOW_NS, changed=False), NOW_NS, took_s * SECOND)
        recovery.look(WELL, failed(), NOW_NS)
        assert not recovery.catch_up_due(NOW_NS + pause_s * SECOND - 1)
        assert recovery.catch_up_due(NOW_NS + pause_s * SECOND)


@pytest.mark.parametrize("check", [INFLUXDB, KAPACITOR])
def test_while_what_it_rests_on_is_away_scores_may_be_missing(check: str) -> None:
    recovery = after_its_first_catch_up()
    seen_ns = NOW_NS + 100 * SECOND
    recovery.look(WELL, [Finding(check, "", ok=False, text="gone")], seen_ns)
    assert not recovery.catch_up_due(seen_ns + REACHES_NS - 1)
    assert recovery.catch_up_due(seen_ns + REACHES_NS)


def restarts_at(found: list[Finding], seconds: range, restarts: Restarts | None = None) -> list[int]:
    restarts = Restarts() if restarts is None else restarts
    return [second for second in seconds if restarts.look(found, NOW_NS + second * SECOND)]


def test_a_kapacitor_that_hangs_is_restarted_with_growing_pauses() -> None:
    gone = [Finding(KAPACITOR, "", ok=False, text="gone")]
    assert restarts_at(gone, range(0, 5_000, 5)) == [90, 690, 1890, 4290]
    assert Restarts().look(gone, NOW_NS) == ""


def test_a_subscription_that_does_not_work_is_a_reason_to_restart() -> None:
    restarts = Restarts()
    unfed = [Finding(FED, "printer", ok=False, text="no points")]
    assert restarts_at(unfed, range(90), restarts) == []
    assert restarts.look(unfed, NOW_NS + 90 * SECOND) == "no points"


def test_kapacitor_is_not_restarted_for_what_a_restart_does_not_heal() -> None:
    others = [Finding(check, "printer", ok=False, text="bad") for check in (TASK, UDF, SCORES)]
    assert restarts_at(others, range(0, 1_000, 5)) == []
    away = [Finding(check, "", ok=False, text="gone") for check in (KAPACITOR, INFLUXDB)]
    assert restarts_at(away, range(0, 1_000, 5)) == []
    shut = [Finding(KAPACITOR, "", ok=False, text="refused", is_for_people=True)]
    assert restarts_at(shut, range(0, 1_000, 5)) == []


def test_what_was_well_for_a_moment_begins_anew() -> None:
    restarts = Restarts()
    gone = [Finding(KAPACITOR, "", ok=False, text="gone")]
    restarts_at(gone, range(80), restarts)
    restarts.look([], NOW_NS + 80 * SECOND)
    assert restarts_at(gone, range(81, 300), restarts) == [171]


def test_a_catch_up_that_changed_something_is_repeated_when_running_periods_are_over() -> None:
    recovery = Recovery(PIPELINE)
    recovery.look(WELL, failed(), NOW_NS)
    recovery.caught_up(LastCatchUp(NOW_NS, changed=True), NOW_NS)
    due_ns = NOW_NS + PIPELINE.periods.merge_ns + WINDOW_NS + REACHES_NS
    assert not recovery.catch_up_due(due_ns - 1)
    assert recovery.catch_up_due(due_ns)
    recovery.caught_up(LastCatchUp(due_ns - REACHES_NS, changed=False), due_ns)
    assert not recovery.catch_up_due(due_ns + 500 * SECOND)


def test_a_clock_that_is_set_back_delays_no_start() -> None:
    recovery = Recovery(PIPELINE)
    assert started_at(recovery, ENDED, TASK, range(86_400, 86_405, 5)) == [86_400]
    assert started_at(recovery, ENDED, TASK, range(0, 15, 5)) == [0, 10]


def test_a_clock_that_is_set_back_delays_no_catch_up() -> None:
    ahead_ns = NOW_NS + 86_400 * SECOND
    recovery = Recovery(PIPELINE)
    recovery.look(WELL, failed(), ahead_ns)
    recovery.caught_up(LastCatchUp(ahead_ns, changed=False), ahead_ns)

    recovery.look(WELL, failed(), NOW_NS)

    assert recovery.last is None
    assert not recovery.catch_up_due(NOW_NS)
    assert recovery.catch_up_due(NOW_NS + REACHES_NS)


def test_a_late_point_by_a_clock_that_was_ahead_makes_a_catch_up_due_now() -> None:
    recovery = after_its_first_catch_up()
    late = replace(WELL, late_seen_ns=NOW_NS + 86_400 * SECOND)
    recovery.look(late, failed(), NOW_NS + 60 * SECOND)
    recovery.look(WELL, failed(), NOW_NS + 60 * SECOND + REACHES_NS)
    assert recovery.catch_up_due(NOW_NS + 60 * SECOND + REACHES_NS)


def test_a_catch_up_after_one_that_took_long_takes_a_twentieth_of_the_time() -> None:
    recovery = after_its_first_catch_up()
    recovery.caught_up(LastCatchUp(NOW_NS, changed=True), NOW_NS, took_ns=60 * SECOND)
    assert not recovery.catch_up_due(NOW_NS + 1_199 * SECOND)
    assert recovery.catch_up_due(NOW_NS + 1_200 * SECOND)


def test_a_clock_that_is_set_back_delays_no_restart() -> None:
    restarts, gone = Restarts(), [Finding(KAPACITOR, "", ok=False, text="gone")]
    looks = (86_400, 86_490, 0, 89, 90)
    assert [bool(restarts.look(gone, NOW_NS + second * SECOND)) for second in looks] == [
        False,
        True,
        False,
        False,
        True,
    ]


def test_restarts_of_an_outage_begin_with_the_shortest_pause_after_an_hour_without_one() -> None:
    gone, well = [Finding(KAPACITOR, "", ok=False, text="gone")], [Finding(KAPACITOR, "", ok=True)]

    def asked(restarts: Restarts, begin: int) -> list[int]:
        looks = range(begin, begin + 1_000, 10)
        return [second - begin for second in looks if restarts.look(gone, NOW_NS + second * SECOND)]

    restarts = Restarts()
    assert asked(restarts, 0) == [90, 690]
    for second in range(1_000, 4_700, 100):
        assert restarts.look(well, NOW_NS + second * SECOND) == ""
    assert asked(restarts, 5_000) == [90, 690]
    assert asked(restarts, 6_000) == [890]


def influxdb_restarts_at(seconds: range, forgets: str, *disks: DiskSight) -> list[int]:
    restarts = InfluxdbRestarts()
    sights = {
        second: StackSight(NOW_NS + second * SECOND, NOW_NS, None, forgets or None, {}, 0, disks, 0, forgets)
        for second in seconds
    }
    return [second for second, sight in sights.items() if restarts.look(sight)]


def test_an_influxdb_that_keeps_nothing_is_restarted_with_pauses_once_its_volume_has_room() -> None:
    seconds = range(0, 400, 5)
    room, full = DiskSight(INFLUXDB_DISK, 2**30), DiskSight(INFLUXDB_DISK, 2**20)
    assert influxdb_restarts_at(seconds, "no space left", room) == [20, 170, 320]
    assert influxdb_restarts_at(seconds, "no space left", full) == []
    assert influxdb_restarts_at(seconds, "no space left", DiskSight(INFLUXDB_DISK, None, "gone")) == []
    assert influxdb_restarts_at(seconds, "no space left", DiskSight("models", 2**30)) == []
    assert influxdb_restarts_at(seconds, "", room) == []


def test_an_influxdb_has_time_to_take_points_again_from_when_its_volume_has_room() -> None:
    restarts = InfluxdbRestarts()

    def look(second: int, free: int) -> str:
        disks = (DiskSight(INFLUXDB_DISK, free),)
        return restarts.look(StackSight(NOW_NS + second * SECOND, NOW_NS, None, "full", {}, 0, disks, 0, "full"))

    assert [look(second, 0) for second in (0, 60)] == ["", ""]
    assert [look(second, 2**30) for second in (65, 84, 85)] == ["", "", "full"]
