from collections.abc import Sequence
from itertools import chain

import numpy as np
import pytest

from ingest.batches import batched
from ingest.faults import Fault
from ingest.grid import BLOCK, Array, Grid
from ingest.points import to_lines
from ingest.printer import FIELD_NAMES, FIELDS, PRINTERS, SIGMA, Printer
from ingest.stream import DeviceStream, values

BEGIN_MS = 1_767_225_600_000
SECONDS = 3 * BLOCK // 2


def stream(begin_s: int = 0, end_s: int = SECONDS, **changes: object) -> DeviceStream:
    arguments: dict[str, object] = {
        "begin_ms": BEGIN_MS + begin_s * 1_000,
        "end_ms": BEGIN_MS + end_s * 1_000,
        "step_ms": 1_000,
        "devices": 2,
        "seed": 7,
        "faults": (),
    }
    return DeviceStream(**(arguments | changes))  # type: ignore[arg-type]


def lines(parts: Sequence[DeviceStream]) -> list[str]:
    return to_lines(chain.from_iterable(part.points() for part in parts), "temperature", parts[0].precision)


def table(source: DeviceStream, printer: int = 1) -> Array:
    return np.concatenate([blocks[printer - 1] for _, blocks in source.blocks()])


def fault(kind: str, begin_s: int, end_s: int, fields: tuple[str, ...], strength: float, printer: int = 1) -> Fault:
    return Fault("F01", kind, printer, fields, BEGIN_MS + begin_s * 1_000, BEGIN_MS + end_s * 1_000, strength)


def test_the_same_arguments_give_the_same_lines() -> None:
    assert lines([stream()]) == lines([stream()])
    assert lines([stream(end_s=60)]) != lines([stream(end_s=60, seed=8)])


def test_a_line_is_what_influxdb_reads() -> None:
    first = lines([stream(end_s=1)])[0]
    head, fields, time = first.split(" ")
    assert head == "temperature,printer=printer-1"
    assert sorted(part.split("=")[0] for part in fields.split(",")) == sorted(FIELD_NAMES)
    assert int(time) * 1_000 == BEGIN_MS


@pytest.mark.parametrize("cut", [1, 17, BLOCK - 1, BLOCK, BLOCK + 1, SECONDS - 1])
def test_how_the_range_is_cut_changes_nothing(cut: int) -> None:
    faults = (
        fault("sigma", 10, 5_000, ("bed",), 3.0),
        fault("drift", 100, 5_500, ("air",), 9.0),
        fault("stuck", 15, 6_000, ("hotend",), 0.0),
        fault("gap", 12, 40, FIELD_NAMES, 0.0, printer=2),
    )
    whole = lines([stream(faults=faults)])
    assert lines([stream(0, cut, faults=faults), stream(cut, faults=faults)]) == whole


@pytest.mark.parametrize("size", [1, 7, 5_000])
def test_the_batch_size_changes_nothing(size: int) -> None:
    source = stream(end_s=200)
    in_batches = [line for batch in batched(source.points(), size) for line in to_lines(batch, "temperature", "s")]
    assert in_batches == lines([source])


def test_a_printer_does_not_depend_on_how_many_there_are() -> None:
    assert np.array_equal(table(stream(end_s=100, devices=1)), table(stream(end_s=100, devices=5)))
    assert not np.array_equal(table(stream(end_s=100), 1), table(stream(end_s=100), 2))


def test_points_come_by_time_then_by_printer() -> None:
    keys = [(point.time_ns, point.tags["printer"]) for point in stream(end_s=30).points()]
    assert keys == sorted(keys)
    assert len(keys) == 60 == stream(end_s=30).samples * 2


def test_a_step_below_a_second_has_milliseconds() -> None:
    source = stream(end_s=2, step_ms=250)
    assert source.precision == "ms"
    times = [int(line.rsplit(" ", 1)[1]) for line in lines([source])]
    assert times[::2] == [BEGIN_MS + 250 * index for index in range(8)]


def test_noise_is_stationary_and_of_the_stated_size() -> None:
    day = table(stream(end_s=86_400))
    for column, field in enumerate(FIELDS):
        hours = day[:, column].reshape(24, -1)
        # The daily swing moves the hourly means of the air by at most its amplitude.
        assert hours.std(axis=1) == pytest.approx(np.full(24, field.sigma), rel=0.2)
        assert abs(hours.mean(axis=1) - field.level).max() < field.swing + 4 * field.spread + field.sigma / 2
    correlations = np.asarray(np.corrcoef(day.T))[np.triu_indices(3, 1)]
    assert abs(correlations).max() < 0.1


def test_neighbouring_blocks_join_without_a_seam() -> None:
    noise = np.concatenate(
        [Printer(1, seed, Grid(1_000, 0)).noise(10 * BLOCK - 1, 10 * BLOCK + 1) for seed in range(300)]
    ).reshape(300, 2, 3)
    across = np.corrcoef(noise[:, 0].ravel(), noise[:, 1].ravel())[0, 1]
    assert across == pytest.approx(np.exp(-1 / 4), abs=0.08)


def test_a_grid_counts_from_1970_whatever_its_phase() -> None:
    grid = Grid.of(10_300, 1_000)
    assert grid.at_or_after(10_300) == 10
    assert grid.at_or_after(10_301) == 11
    assert grid.time_ms(11) == 11_300


class TestFaults:
    begin, end = 50, 150

    def difference(self, kind: str, fields: tuple[str, ...], strength: float) -> tuple[Array, Array]:
        """(clean, changed), both of printer 1."""
        changed = stream(end_s=300, faults=(fault(kind, self.begin, self.end, fields, strength),))
        assert np.array_equal(table(changed, 2), table(stream(end_s=300), 2)), "the other printer changed"
        clean, faulty = table(stream(end_s=300)), table(changed)
        outside = np.r_[0 : self.begin, self.end : 300]
        assert np.array_equal(clean[outside], faulty[outside])
        untouched = [index for index, name in enumerate(FIELD_NAMES) if name not in fields]
        assert np.array_equal(clean[:, untouched], faulty[:, untouched])
        return clean[self.begin : self.end], faulty[self.begin : self.end]

    def test_offset(self) -> None:
        clean, faulty = self.difference("offset", ("bed", "air"), -6.0)
        assert faulty[:, 1:] - clean[:, 1:] == pytest.approx(np.tile(-6.0 * SIGMA[1:], (100, 1)), abs=2e-3)

    def test_sigma(self) -> None:
        clean, faulty = self.difference("sigma", FIELD_NAMES, 4.0)
        level = Printer(1, 7, Grid(1_000, 0)).level(BEGIN_MS // 1_000 + 50, BEGIN_MS // 1_000 + 150)
        assert faulty - level == pytest.approx(4.0 * (clean - level), abs=5e-3)

    def test_spike_rises_and_falls(self) -> None:
        clean, faulty = self.difference("spike", ("hotend",), 10.0)
        shape = (faulty - clean)[:, 0]
        assert shape.max() == pytest.approx(10.0 * SIGMA[0], rel=0.02)
        assert shape[:50] == pytest.approx(shape[:49:-1], abs=2e-3)
        assert (np.diff(shape[:50]) > 0).all()

    def test_spike_of_one_sample_has_its_full_height(self) -> None:
        self.end = self.begin + 1
        clean, faulty = self.difference("spike", ("hotend",), 10.0)
        assert (faulty - clean)[0, 0] == pytest.approx(10.0 * SIGMA[0], abs=2e-3)

    def test_drift_only_grows(self) -> None:
        clean, faulty = self.difference("drift", ("air",), -5.0)
        shape = (faulty - clean)[:, 2]
        assert (np.diff(shape) < 0).all()
        assert shape[-1] == pytest.approx(-5.0 * SIGMA[2], rel=0.02)

    def test_stuck_repeats_its_first_value(self) -> None:
        clean, faulty = self.difference("stuck", ("hotend", "bed"), 0.0)
        assert (faulty[:, :2] == clean[0, :2]).all()

    def test_gap_of_one_field_leaves_the_others(self) -> None:
        _, faulty = self.difference("gap", ("bed",), 0.0)
        assert np.isnan(faulty[:, 1]).all()
        source = stream(end_s=300, faults=(fault("gap", self.begin, self.end, ("bed",), 0.0),))
        inside = [p for p in source.points() if self.begin <= p.time_ns // 10**9 - BEGIN_MS // 1_000 < self.end]
        assert len(inside) == 200
        assert {tuple(p.fields) for p in inside if p.tags["printer"] == "printer-1"} == {("hotend", "air")}

    def test_gap_of_all_fields_leaves_no_point(self) -> None:
        source = stream(end_s=300, faults=(fault("gap", self.begin, self.end, FIELD_NAMES, 0.0),))
        mine = [p for p in source.points() if p.tags["printer"] == "printer-1"]
        assert len(mine) == 200
        assert not any("nan" in line for line in lines([source]))

    def test_overlapping_faults_add_up(self) -> None:
        faults = [fault("offset", 50, 150, ("bed",), 2.0), fault("offset", 100, 150, ("bed",), 3.0)]
        printer = Printer(1, 7, Grid(1_000, 0))
        begin = BEGIN_MS // 1_000
        shift = values(PRINTERS, printer, faults, begin, begin + 200) - values(
            PRINTERS, printer, [], begin, begin + 200
        )
        assert shift[99, 1] == pytest.approx(1.0, abs=2e-3)
        assert shift[100, 1] == pytest.approx(2.5, abs=2e-3)
