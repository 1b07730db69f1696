"""Findings as points and as metrics."""

from prometheus_client import generate_latest

from anomaly.keeper.checks import KAPACITOR, UDF, Finding
from anomaly.keeper.health import HealthLines, KeeperMetrics
from anomaly.keeper.load import ProcessorTime

MINUTE = 60_000_000_000
WELL = Finding(UDF, "printer", ok=True)


def test_a_finding_is_written_when_it_changes_and_once_a_minute() -> None:
    health = HealthLines()
    assert health.lines([WELL], 1) == ['health,check=udf,pipeline=printer ok=1i,text="" 1']
    assert health.lines([WELL], MINUTE) == []
    assert health.lines([WELL], MINUTE + 1) == [f'health,check=udf,pipeline=printer ok=1i,text="" {MINUTE + 1}']
    assert health.lines([Finding(UDF, "printer", ok=False, text='it "died"')], MINUTE + 2) == [
        f'health,check=udf,pipeline=printer ok=0i,text="it \\"died\\"" {MINUTE + 2}'
    ]


def test_a_finding_of_the_stack_has_no_pipeline_and_one_that_is_unknown_is_not_written() -> None:
    found = [Finding(KAPACITOR, "", ok=False, text="gone"), Finding(UDF, "printer", ok=None)]
    assert HealthLines().lines(found, 7) == ['health,check=kapacitor ok=0i,text="gone" 7']


def test_prometheus_gets_checks_starts_and_catch_ups() -> None:
    metrics = KeeperMetrics()
    metrics.look([WELL, Finding(KAPACITOR, "", ok=False, text="gone")], {"printer": 12_000_000_000}, MINUTE, 0.5)
    metrics.started("printer")
    metrics.caught_up("printer", 40)
    lines = generate_latest(metrics.registry).decode().splitlines()
    for expected in (
        'influx_anomaly_ok{check="udf",pipeline="printer"} 1.0',
        'influx_anomaly_ok{check="kapacitor",pipeline=""} 0.0',
        'influx_anomaly_caught_up_seconds{pipeline="printer"} 12.0',
        'influx_anomaly_task_starts_total{pipeline="printer"} 1.0',
        'influx_anomaly_caught_up_windows_total{pipeline="printer"} 40.0',
        "influx_anomaly_look_seconds 0.5",
        "influx_anomaly_looked_seconds 60.0",
    ):
        assert expected in lines


def test_prometheus_gets_the_processor_time_of_looks_and_of_jobs() -> None:
    metrics = KeeperMetrics()
    for taken in (ProcessorTime(1.5, 0.0), ProcessorTime(2.0, 7.0)):
        metrics.taken(taken)
    name = "influx_anomaly_processor_seconds_total"
    assert [metrics.registry.get_sample_value(name, {"part": part}) for part in ("looks", "jobs")] == [2.0, 7.0]


def test_prometheus_gets_no_old_value_of_what_is_not_known_any_more() -> None:
    metrics = KeeperMetrics()
    metrics.look([WELL], {}, MINUTE, 0.5)
    metrics.look([Finding(UDF, "printer", ok=None)], {}, MINUTE, 0.5)
    assert metrics.registry.get_sample_value("influx_anomaly_ok", {"check": "udf", "pipeline": "printer"}) is None
    metrics.look([WELL], {}, MINUTE, 0.5)
    assert metrics.registry.get_sample_value("influx_anomaly_ok", {"check": "udf", "pipeline": "printer"}) == 1.0


def test_a_clock_that_is_set_back_does_not_end_the_points() -> None:
    health = HealthLines()
    assert len(health.lines([WELL], 60 * MINUTE)) == 1
    assert len(health.lines([WELL], MINUTE)) == 1
    assert len(health.lines([WELL], MINUTE + 1)) == 0
