"""The heat pumps' physics, their faults, and that a stretch of time does not depend on how it is cut."""

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from ingest.cli import main
from ingest.errors import IngestError
from ingest.faults import Fault, load_schedule
from ingest.grid import BLOCK, Array, Grid
from ingest.heatpump import FIELDS, HEAT_PUMPS, SIGMA, HeatPump, saturation_pressure
from ingest.stream import DeviceStream
from ingest.times import DAY_MS
from ingest.truth import truth_document

BEGIN_MS = 1_704_067_200_000
STEP_MS = 10_000
HOUR_MS = 3_600_000
SUPPLY, RETURN, FLOW, POWER, HIGH, LOW, OUTDOOR = range(7)


def stream(hours: int = 24, begin_h: int = 0, **changes: object) -> DeviceStream:
    arguments: dict[str, object] = {
        "begin_ms": BEGIN_MS + begin_h * HOUR_MS,
        "end_ms": BEGIN_MS + (begin_h + hours) * HOUR_MS,
        "step_ms": STEP_MS,
        "devices": 2,
        "seed": 7,
        "faults": (),
        "process": HEAT_PUMPS,
    }
    return DeviceStream(**(arguments | changes))  # type: ignore[arg-type]


def table(source: DeviceStream, number: int = 1) -> Array:
    return np.concatenate([blocks[number - 1] for _, blocks in source.blocks()])


def fault(kind: str, begin_h: float, end_h: float, strength: float, fields: tuple[str, ...] = FIELDS) -> Fault:
    return Fault("F01", kind, 1, fields, int(BEGIN_MS + begin_h * HOUR_MS), int(BEGIN_MS + end_h * HOUR_MS), strength)


def level(hours: int, *faults: Fault) -> Array:
    grid = Grid.of(BEGIN_MS, STEP_MS)
    begin = grid.at_or_after(BEGIN_MS)
    return HeatPump(1, 7, grid).level(begin, begin + hours * HOUR_MS // STEP_MS, faults)


def test_pressures_are_those_of_propane() -> None:
    # Lemmon, McLinden and Wagner (2009): its normal boiling point, and its critical point.
    assert saturation_pressure(np.array([231.036 - 273.15]))[0] == pytest.approx(1.01325, rel=1e-3)
    assert saturation_pressure(np.array([369.89 - 273.15]))[0] == pytest.approx(42.512, rel=1e-6)


def test_heat_flow_and_temperatures_belong_together() -> None:
    values = level(24 * 6)
    heat = (values[:, SUPPLY] - values[:, RETURN]) * values[:, FLOW] * 4.19 / 60
    steady = values[:, POWER] > 0.5
    assert heat.min() > -3.1
    assert heat.max() < 9.0
    performance = heat[steady & (heat > 1)] / values[steady & (heat > 1), POWER]
    assert np.quantile(performance, 0.01) > 1.5
    assert np.quantile(performance, 0.99) < 6.5
    assert (values[values[:, POWER] > 1.2, HIGH] > values[values[:, POWER] > 1.2, LOW]).all()


def test_colder_weather_takes_more_power_and_lowers_the_evaporating_pressure() -> None:
    values = level(24 * 10)
    running = values[:, POWER] > 0.5
    outdoor = values[running, OUTDOOR]
    assert np.corrcoef(outdoor, values[running, POWER])[0, 1] < -0.4
    assert np.corrcoef(outdoor, values[running, LOW])[0, 1] > 0.9


def test_there_are_starts_defrostings_and_hot_water() -> None:
    values = level(24 * 10)
    stopped = values[:, POWER] < 0.1
    assert 0.01 < stopped.mean() < 0.5
    assert (values[:, HIGH] < 8).any(), "defrosting reverses the cycle"
    assert (np.diff((values[:, SUPPLY] > 47).astype(int)) == 1).sum() == 20, "hot water is made twice a day"


@pytest.mark.parametrize("cut_h", [1, 7, 12, 23])
def test_how_the_range_is_cut_changes_nothing(cut_h: int) -> None:
    faults = (fault("leak", 2, 9, 0.3), fault("replay", 10, 14, 5.0, ("low_pressure",)), fault("stuck", 16, 20, 0.0))
    whole = table(stream(faults=faults))
    parts = [table(stream(cut_h, faults=faults)), table(stream(24 - cut_h, cut_h, faults=faults))]
    np.testing.assert_array_equal(np.concatenate(parts), whole)


def test_blocks_join_without_a_seam() -> None:
    grid = Grid.of(BEGIN_MS, STEP_MS)
    begin = (grid.at_or_after(BEGIN_MS) // BLOCK + 1) * BLOCK
    pump = HeatPump(1, 7, grid)
    whole = pump.level(begin - 200, begin + 200, ())
    steps = np.abs(np.diff(whole, axis=0))
    assert (steps[199] <= steps[150:250].max(axis=0) + 1e-9).all()


def test_heat_pumps_share_the_weather_and_nothing_else() -> None:
    one, other = table(stream(48), 1), table(stream(48), 2)
    assert np.corrcoef(one[:, OUTDOOR], other[:, OUTDOOR])[0, 1] > 0.9
    assert not np.array_equal(one[:, FLOW], other[:, FLOW])
    assert not np.array_equal(one, table(stream(48, seed=8), 1))


@pytest.mark.parametrize(
    ("kind", "strength", "lower", "higher"),
    [
        ("leak", 0.4, (LOW, HIGH), ()),
        ("filter", 0.5, (FLOW, RETURN), (SUPPLY,)),
        ("valve", 8.0, (LOW,), ()),
    ],
)
def test_a_fault_of_the_machine_moves_what_it_should(
    kind: str, strength: float, lower: tuple[int, ...], higher: tuple[int, ...]
) -> None:
    clean, broken = level(24), level(24, fault(kind, 6, 12, strength))
    np.testing.assert_allclose(clean[: 6 * 360], broken[: 6 * 360], atol=1e-9)
    late = slice(11 * 360, 12 * 360)
    change = np.median(broken[late] - clean[late], axis=0)
    assert (change[list(lower)] < -3 * SIGMA[list(lower)]).all()
    assert (change[list(higher)] > 3 * SIGMA[list(higher)]).all()
    assert change[OUTDOOR] == 0
    np.testing.assert_allclose(clean[16 * 360 :], broken[16 * 360 :], atol=0.05)


def test_a_replay_repeats_usual_values_at_the_wrong_time() -> None:
    whole = table(stream())
    broken = table(stream(faults=(fault("replay", 12, 14, 7.0, ("low_pressure",)),)))
    inside = slice(12 * 360, 14 * 360)
    np.testing.assert_array_equal(broken[inside, LOW], whole[5 * 360 : 7 * 360, LOW])
    np.testing.assert_array_equal(np.delete(broken, LOW, axis=1), np.delete(whole, LOW, axis=1))


def test_the_day_has_every_kind_on_both() -> None:
    schedule = load_schedule(Path("day.yml"), HEAT_PUMPS)
    schedule.check(DAY_MS, 2)
    placed = schedule.place(0, 2)
    assert {each.kind for each in placed} == set(HEAT_PUMPS.kinds)
    assert {each.device for each in placed} == {1, 2}
    for number in (1, 2):
        mine = sorted((each.begin_ms, each.end_ms) for each in placed if each.device == number)
        assert min(begin - end for (_, end), (begin, _) in pairwise(mine)) >= 30 * 60_000


@pytest.mark.parametrize(
    ("entry", "parts"),
    [
        ("{kind: leak, heatpump: 1, fields: flow, at: 0, for: 1h, strength: 0.1}", ["fields", "remove the key"]),
        ("{kind: leak, heatpump: 1, at: 0, for: 1h, strength: 2}", ["strength", "2", "at most 0.9"]),
        ("{kind: valve, heatpump: 1, at: 0, for: 1h}", ["'strength' is missing"]),
        ("{kind: offset, heatpump: 1, at: 0, for: 1h, strength: 2}", ["'fields' is missing"]),
        ("{kind: offset, printer: 1, fields: flow, at: 0, for: 1h, strength: 2}", ["unknown key 'printer'"]),
        ("{kind: leek, heatpump: 1, at: 0, for: 1h, strength: 0.1}", ["kind", "'leek'", "leak"]),
    ],
)
def test_a_wrong_entry_is_named(tmp_path: Path, entry: str, parts: list[str]) -> None:
    path = tmp_path / "f.yml"
    path.write_text(f"- {entry}\n", encoding="utf-8")
    with pytest.raises(IngestError) as raised:
        load_schedule(path, HEAT_PUMPS)
    for part in [str(path), "entry 1", "Fix:", *parts]:
        assert part in str(raised.value)


def test_the_command_line_is_that_of_the_printers(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["heatpump", "--start", "2026-01-01T00:00:00Z", "--length", "1m", "--heatpumps", "3", "--dry-run"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 18
    assert all(line.startswith("heating,heatpump=heatpump-") for line in lines)


def test_the_truth_names_heat_pumps() -> None:
    faults = load_schedule(Path("day.yml"), HEAT_PUMPS).place(BEGIN_MS, 2)
    document = truth_document(stream(faults=faults), "heatpump", "heating")
    assert (document["tag"], document["heatpumps"]) == ("heatpump", ["heatpump-1", "heatpump-2"])
    assert document["faults"][0]["heatpump"] == "heatpump-1"
    assert document["faults"][0]["kind"] == "filter"
