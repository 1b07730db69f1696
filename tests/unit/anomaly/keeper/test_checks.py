"""What the keeper finds in what it saw."""

from dataclasses import replace
from typing import Any

import pytest

from anomaly.keeper.checks import (
    BACKUP,
    CERTIFICATE,
    CLOCK,
    DISK,
    FED,
    INFLUXDB,
    KAPACITOR,
    MODEL,
    MODEL_FILE,
    SCORES,
    STATE,
    TASK,
    UDF,
    Finding,
    LastCatchUp,
    findings,
)
from anomaly.keeper.kapacitor import TaskState
from anomaly.keeper.watch import DiskSight, PipelineSight, StackSight
from tests.unit.anomaly.printers import PIPELINE, WINDOW_NS

SECOND = 1_000_000_000
NOW_NS = 1_704_067_200 * SECOND
WELL = PipelineSight(
    task=TaskState(enabled=True, executing=True, error=""),
    beat_ns=NOW_NS - 10 * SECOND,
    started_ns=NOW_NS - 3600 * SECOND,
    point_ns=NOW_NS - 60 * SECOND,
    score_ns=NOW_NS - 60 * SECOND,
    has_model=True,
    in_memory="first",
)


def found(
    sight: PipelineSight,
    catch_up: LastCatchUp | None = None,
    *,
    kapacitor_error: str | None = None,
    influxdb_error: str | None = None,
    steady_ns: int = NOW_NS - 3600 * SECOND,
    **more: Any,
) -> dict[str, Finding]:
    stack = StackSight(NOW_NS, steady_ns, kapacitor_error, influxdb_error, {PIPELINE.name: sight}, **more)
    catch_ups = {} if catch_up is None else {PIPELINE.name: catch_up}
    return {finding.check: finding for finding in findings((PIPELINE,), stack, catch_ups)}


def failing(sight: PipelineSight, catch_up: LastCatchUp | None = None) -> dict[str, str]:
    return {check: finding.text for check, finding in found(sight, catch_up).items() if finding.failed}


def test_all_is_well() -> None:
    well = found(WELL, skew_ns=0, disks=(DiskSight("data", 1),), ending={})
    assert {finding.ok for finding in well.values()} == {True}
    assert list(well) == [
        INFLUXDB,
        KAPACITOR,
        CLOCK,
        DISK,
        CERTIFICATE,
        TASK,
        MODEL,
        UDF,
        FED,
        SCORES,
        MODEL_FILE,
        STATE,
    ]


@pytest.mark.parametrize(
    ("task", "text"),
    [
        (None, "Kapacitor has no task printer: run site.yml"),
        (TaskState(enabled=False, executing=False, error=""), "the task printer is disabled"),
        (TaskState(enabled=True, executing=False, error="killed"), "the task printer has ended: killed"),
        (TaskState(enabled=True, executing=False, error=""), "has ended: Kapacitor gives no reason"),
    ],
)
def test_a_task_that_does_not_run_is_found_with_its_reason(task: TaskState | None, text: str) -> None:
    (said,) = failing(replace(WELL, task=task)).values()
    assert text in said


def test_a_udf_that_is_silent_is_found_although_its_task_says_executing() -> None:
    assert failing(replace(WELL, beat_ns=NOW_NS - 35 * SECOND)) == {}
    silent = failing(replace(WELL, beat_ns=NOW_NS - 36 * SECOND))
    assert silent == {UDF: "the UDF of printer has written no metrics for 36 s"}
    assert failing(replace(WELL, beat_ns=None)) == {UDF: "the UDF of printer has written no metrics for five minutes"}
    # One whose task has just started has written none yet.
    starting = replace(WELL, beat_ns=None, executing_ns=NOW_NS - 35 * SECOND)
    assert failing(starting) == {}
    assert failing(replace(starting, executing_ns=NOW_NS - 36 * SECOND)).keys() == {UDF}


def test_points_without_a_score_are_found_to_the_window() -> None:
    begin_ns = NOW_NS // WINDOW_NS * WINDOW_NS
    scored = replace(WELL, point_ns=begin_ns + WINDOW_NS - 1, score_ns=begin_ns)
    assert failing(scored) == {}
    # Windows that need not have their scores yet may have them.
    assert failing(replace(scored, score_ns=begin_ns + WINDOW_NS)) == {}
    late = failing(replace(scored, score_ns=begin_ns - WINDOW_NS))
    assert late == {SCORES: "points of printer are stored and not scored, the newest 19 s after its last score"}
    assert failing(replace(scored, score_ns=None)) == {SCORES: "points of printer are stored and not scored"}


def test_a_catch_up_that_scored_them_ends_the_finding() -> None:
    begin_ns = NOW_NS // WINDOW_NS * WINDOW_NS
    behind = replace(WELL, point_ns=begin_ns, score_ns=begin_ns - 5 * WINDOW_NS)
    assert failing(behind, LastCatchUp(begin_ns + WINDOW_NS, changed=True)) == {}
    assert list(failing(behind, LastCatchUp(begin_ns + WINDOW_NS - 1, changed=True))) == [SCORES]


def test_points_that_a_catch_up_could_not_score_a_while_ago_are_no_failure() -> None:
    unscored = replace(WELL, score_ns=None)
    minutes_ago = NOW_NS - 960 * SECOND
    assert failing(unscored, LastCatchUp(minutes_ago + 1, changed=False)) == {}
    assert list(failing(unscored, LastCatchUp(minutes_ago, changed=False))) == [SCORES]


def test_metrics_that_could_not_be_written_for_a_while_are_waited_for() -> None:
    silent = replace(WELL, beat_ns=None)
    assert found(silent, steady_ns=NOW_NS - 35 * SECOND)[UDF].ok
    assert found(silent, steady_ns=NOW_NS - 36 * SECOND)[UDF].failed


def test_points_that_do_not_reach_the_udf_are_found_although_it_lives() -> None:
    assert failing(replace(WELL, unfed_ns=60 * SECOND)) == {}
    text = failing(replace(WELL, unfed_ns=61 * SECOND))[FED]
    assert text.startswith("61 s of points of printer are stored and did not reach its UDF")
    assert found(replace(WELL, unfed_ns=61 * SECOND, beat_ns=None))[FED].ok is None


@pytest.mark.parametrize(("age_s", "is_told"), [(300, False), (301, True)])
def test_a_state_that_is_not_written_any_more_is_found(age_s: int, is_told: bool) -> None:
    sight = replace(WELL, state_ns=NOW_NS - age_s * SECOND)
    assert (STATE in failing(sight)) is is_told
    assert ("was written 301 s ago" in failing(sight).get(STATE, "")) is is_told
    young = replace(sight, started_ns=NOW_NS - 299 * SECOND)
    assert failing(young) == {}


def test_a_state_that_cannot_be_read_is_found() -> None:
    assert failing(replace(WELL, state_error="it is damaged")) == {STATE: "it is damaged"}


def test_a_volume_without_room_is_found_with_its_numbers() -> None:
    disks = (DiskSight("data", 2**30), DiskSight("state", 2**30 - 1), DiskSight("log", None, "/log cannot be read"))
    finding = found(WELL, disks=disks, least_free=2**30)[DISK]
    assert finding.text == (
        "/log cannot be read; "
        "the volume of state has 1023 MiB left, of at least 1024 MiB: make room, or shorten retention"
    )
    assert found(WELL, disks=disks[:1], least_free=2**30)[DISK].ok


def test_folders_on_one_file_system_are_told_in_one_sentence() -> None:
    disks = (DiskSight("models", 9 * 2**20, device=7), DiskSight("state", 8 * 2**20, device=7))
    other = DiskSight("influxdb", 2**20, device=8)
    assert found(WELL, disks=(*disks, other), least_free=2**30)[DISK].text == (
        "the volume of models and state has 8 MiB left, of at least 1024 MiB: make room, or shorten retention; "
        "the volume of influxdb has 1 MiB left, of at least 1024 MiB: make room, or shorten retention"
    )


@pytest.mark.parametrize(("skew_s", "side"), [(11, "11 s ahead of"), (-11, "11 s behind"), (10, ""), (-10, "")])
def test_a_clock_that_differs_is_found(skew_s: int, side: str) -> None:
    finding = found(WELL, skew_ns=skew_s * SECOND)[CLOCK]
    assert finding.failed is bool(side)
    assert side in finding.text


def test_a_certificate_that_ends_soon_is_found_with_its_server() -> None:
    finding = found(WELL, ending={"InfluxDB": 3, "Kapacitor": 13})[CERTIFICATE]
    assert finding.failed
    assert finding.text == (
        "the certificate of InfluxDB ends in 3 days; the certificate of Kapacitor ends in 13 days: run site.yml, which "
        "renews those of the stack, or give another one"
    )


def test_a_late_backup_is_found_and_a_stack_without_backups_is_left_alone() -> None:
    late = found(WELL, late_backup="the last backup is of 2024")[BACKUP]

    assert (late.failed, late.text) == (True, "the last backup is of 2024")
    assert found(WELL, late_backup="")[BACKUP].ok
    assert BACKUP not in found(WELL)


def test_without_https_there_is_no_finding_of_certificates() -> None:
    assert CERTIFICATE not in found(WELL)


def test_a_misfit_is_a_failure_and_a_missing_model_is_not() -> None:
    assert failing(replace(WELL, misfit="model x does not fit", score_ns=None)) == {MODEL: "model x does not fit"}
    assert failing(replace(WELL, has_model=False, score_ns=None)) == {}
    assert found(replace(WELL, has_model=False))[SCORES].ok is None


def test_a_damaged_file_of_a_model_that_scores_from_memory_is_a_failure_of_the_file_alone() -> None:
    damaged = replace(WELL, damage="model.npz is damaged")
    told = "printer is scored by model first in memory, until its UDF is started again: model.npz is damaged"
    assert failing(damaged) == {MODEL_FILE: told}
    # The link to it may be gone as well.
    assert failing(replace(damaged, has_model=False)) == {MODEL_FILE: told}
    # Scores are expected as from any other model.
    assert failing(replace(damaged, has_model=False, score_ns=None)).keys() == {MODEL_FILE, SCORES}


def test_a_damaged_model_that_is_in_nobodys_memory_is_a_failure() -> None:
    damaged = replace(WELL, damage="model.npz is damaged", score_ns=None)
    ended = TaskState(enabled=True, executing=False, error="killed")
    for sight, also in (
        (replace(damaged, in_memory=None), set()),
        (replace(damaged, beat_ns=NOW_NS - 36 * SECOND), {UDF}),
        (replace(damaged, task=ended), {TASK}),
    ):
        found_by = found(sight)

        assert found_by[MODEL].text == "model.npz is damaged"
        assert {check for check, finding in found_by.items() if finding.failed} == {MODEL} | also
        assert [found_by[check].ok for check in (SCORES, MODEL_FILE)] == [None, None]


def test_whether_a_damaged_model_is_in_memory_is_unknown_while_nobody_can_be_asked() -> None:
    damaged = replace(WELL, damage="model.npz is damaged")
    for unknown in (found(damaged, kapacitor_error="gone"), found(damaged, influxdb_error="gone")):
        assert [unknown[check].ok for check in (MODEL, SCORES, MODEL_FILE)] == [None] * 3


def test_what_cannot_be_asked_is_unknown() -> None:
    without_kapacitor = found(WELL, kapacitor_error="gone")
    assert without_kapacitor[KAPACITOR] == Finding(KAPACITOR, "", ok=False, text="gone")
    assert [without_kapacitor[check].ok for check in (TASK, UDF, FED, SCORES)] == [None] * 4
    without_influxdb = found(WELL, influxdb_error="gone")
    assert without_influxdb[INFLUXDB].failed
    assert [without_influxdb[check].ok for check in (UDF, SCORES)] == [None, None]
    assert without_influxdb[TASK].ok


def test_a_kapacitor_that_does_not_let_the_keeper_in_is_left_to_people() -> None:
    shut = found(WELL, kapacitor_error="refused", is_shut_out=True)[KAPACITOR]
    assert shut == Finding(KAPACITOR, "", ok=False, text="refused", is_for_people=True)


def test_a_task_that_a_deployment_is_about_to_make_is_waited_for() -> None:
    new = found(replace(WELL, task=None, is_new=True, beat_ns=None))
    assert [new[check].ok for check in (TASK, UDF, FED, SCORES)] == [None] * 4
    assert found(replace(WELL, task=None))[TASK].failed


def test_points_from_while_something_was_away_are_left_to_the_catch_up() -> None:
    begin_ns = NOW_NS // WINDOW_NS * WINDOW_NS
    behind = replace(WELL, point_ns=begin_ns + 1, score_ns=begin_ns - WINDOW_NS)
    assert found(behind, steady_ns=begin_ns + 1)[SCORES].ok
    assert found(behind, steady_ns=begin_ns)[SCORES].failed
