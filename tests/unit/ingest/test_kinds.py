"""The series of every kind: their courses and faults, and that a stretch of time does not depend on how it is cut."""

from pathlib import Path

import numpy as np
import pytest

from ingest.cli import main
from ingest.counting import poisson
from ingest.faults import Fault, load_schedule
from ingest.grid import Array
from ingest.kinds import FIELDS, GROWTH_DAYS, SOURCES, STEP_DAYS
from ingest.stream import DeviceStream
from ingest.times import DAY_MS

# A Thursday, as the first day of 1970 was; growth and levels begin anew with it.
BEGIN_MS = 352 * GROWTH_DAYS * DAY_MS
STEP_MS = 600_000
A_DAY = DAY_MS // STEP_MS


def table(begin_day: float, end_day: float, number: int = 1, faults: tuple[Fault, ...] = (), seed: int = 7) -> Array:
    begin_ms, end_ms = (BEGIN_MS + int(day * DAY_MS) for day in (begin_day, end_day))
    stream = DeviceStream(begin_ms, end_ms, STEP_MS, 2, seed, faults, SOURCES)
    return np.concatenate([blocks[number - 1] for _, blocks in stream.blocks()])


def column(name: str, begin_day: float, end_day: float, **more: int) -> Array:
    values: Array = table(begin_day, end_day, **more)[:, FIELDS.index(name)]  # type: ignore[arg-type]
    return values


def fault(kind: str, name: str, begin_day: float, end_day: float, strength: float) -> Fault:
    return Fault(
        "F01", kind, 1, (name,), BEGIN_MS + int(begin_day * DAY_MS), BEGIN_MS + int(end_day * DAY_MS), strength
    )


def test_each_kind_has_its_course() -> None:
    values = {name: column(name, 0, 28) for name in FIELDS}
    days = {name: each.reshape(28, A_DAY) for name, each in values.items()}
    lagged = np.corrcoef(values["daily"][A_DAY:], values["daily"][:-A_DAY])[0, 1]
    assert lagged > 0.95, "a day is like the day before"
    # Days 2 and 3 are a Saturday and a Sunday.
    noon = days["weekly"][:, A_DAY // 2]
    assert noon[[0, 1, 4, 5, 6, 7, 8]].min() > noon[[2, 3, 9, 10]].max() + 10
    assert np.polyfit(np.arange(28), days["growth"].mean(axis=1), 1)[0] == pytest.approx(0.8, abs=0.01)
    levels = days["steps"].mean(axis=1)
    assert np.abs(np.diff(levels)).max() > 5
    assert (np.abs(np.diff(levels)) > 2).sum() <= 2, "one step, which may lie in two days' means"
    assert np.median(values["bursts"]) == pytest.approx(10, abs=0.5)
    assert values["bursts"].max() > 20
    assert np.array_equal(values["counts"], values["counts"].round())
    assert (days["night"][:, : A_DAY // 12] == 0).all()
    assert days["night"][:, A_DAY // 2].min() > 10


def test_levels_of_the_steps_stay_until_the_next() -> None:
    level = column("steps", STEP_DAYS / 2, STEP_DAYS)
    assert np.abs(level - level.mean()).max() < 6


@pytest.mark.parametrize("cut", [0.25, 1.0, 2.5])
def test_how_the_range_is_cut_changes_nothing(cut: float) -> None:
    faults = (fault("offset", "counts", 0.5, 2.0, 5.0), fault("replay", "daily", 2.1, 2.8, 12.0))
    parts = [table(0, cut, faults=faults), table(cut, 3, faults=faults)]
    np.testing.assert_array_equal(np.concatenate(parts), table(0, 3, faults=faults))


def test_sources_and_seeds_differ() -> None:
    assert not np.array_equal(table(0, 1, 1), table(0, 1, 2))
    assert not np.array_equal(table(0, 1, 1), table(0, 1, 1, seed=8))


def test_counts_are_poisson() -> None:
    noise = np.random.default_rng(0).standard_normal(200_000)
    for mean in (0.05, 3.0, 40.0):
        numbers = poisson(np.full(len(noise), mean), noise)
        assert numbers.mean() == pytest.approx(mean, rel=0.03)
        assert numbers.var() == pytest.approx(mean, rel=0.03)
    assert poisson(np.zeros(3), np.array([-3.0, 0.0, 8.0])).tolist() == [0, 0, 0]


def test_a_fault_of_counts_moves_their_mean_and_keeps_them_whole() -> None:
    clean, broken = table(0, 6), table(0, 6, faults=(fault("offset", "counts", 1, 5, 8.0),))
    inside, counts = slice(A_DAY, 5 * A_DAY), FIELDS.index("counts")
    change = broken[inside, counts] - clean[inside, counts]
    assert change.mean() == pytest.approx(8.0, rel=0.1)
    assert np.array_equal(broken, np.where(np.arange(7) == counts, broken.round(), broken))
    np.testing.assert_array_equal(np.delete(broken, counts, axis=1), np.delete(clean, counts, axis=1))


def test_the_week_has_every_kind_of_fault_of_a_sensor_that_lasts() -> None:
    schedule = load_schedule(Path("week.yml"), SOURCES)
    schedule.check(7 * DAY_MS, 1)
    assert {fault.kind for fault in schedule.place(0, 1)} == {"offset", "stuck", "replay", "drift"}


def test_the_command_line_is_that_of_the_printers(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["source", "--start", "2026-01-01T00:00:00Z", "--length", "3m", "--sources", "2", "--dry-run"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 6
    assert all(line.startswith("kinds,source=source-") for line in lines)
