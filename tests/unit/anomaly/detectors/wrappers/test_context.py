"""What the forest finds with context and does not find without, and how it scores windows without a past."""

from collections.abc import Sequence

import numpy as np
import pytest

from anomaly.detectors import registry
from anomaly.detectors.base import Detector, FeatureHistory, follow
from anomaly.detectors.declaration import FitRequest
from anomaly.detectors.wrappers.context import KINDS, Columns, Pasts, choose, column_names
from anomaly.models.model import score_windows
from anomaly.pipeline import load_schema, normalize
from anomaly.training.fit import train
from anomaly.windows.arrays import Floats
from anomaly.windows.civil import CivilTime
from tests.unit.anomaly import printers

MINUTE = 60_000_000_000
HOUR, DAY = 60 * MINUTE, 24 * 60 * MINUTE
PARAMETERS = {"trees": 60, "samples": 256}
RNG = np.random.default_rng(0)
ONE = np.array([0])


def detector(x: Floats, begin_ns: np.ndarray, kinds: Sequence[str]) -> Detector:
    window_ns = int(begin_ns[1] - begin_ns[0])
    history = FeatureHistory(x, np.zeros(len(x), dtype=np.intp), 1, begin_ns, window_ns, is_long=True)
    return registry.fit("isolation_forest", FitRequest(history, {**PARAMETERS, "context": kinds})).detector


def extend(pasts: Pasts, begin_ns: np.ndarray, x: Floats) -> tuple[Floats, np.ndarray]:
    """Extend windows of the only series."""
    return pasts.extend(np.zeros(len(x), dtype=np.intp), begin_ns, x)


def steady(rows: int, step_ns: int = MINUTE) -> np.ndarray:
    return np.arange(rows, dtype=np.int64) * step_ns


def rank(kinds: Sequence[str], x: Floats, begin_ns: np.ndarray, odd: int, trained: int) -> float:
    """Return the share of usual windows after training that score at least as high as the odd one."""
    scores = follow(detector(x[:trained], begin_ns[:trained], kinds), 1).explain(begin_ns[trained:], x[trained:])[0]
    others = np.abs(np.arange(len(scores)) - (odd - trained)) > 30
    return float((scores[others] >= scores[odd - trained]).mean())


def wave(rows: int, period: float, noise: float) -> Floats:
    return np.asarray(2 * np.sin(np.arange(rows) * 2 * np.pi / period) + RNG.normal(0, noise, rows))


def with_noise(column: Floats, odd: int) -> Floats:
    """Put a second feature beside it that tells nothing, and is at its center in the odd window."""
    noise = RNG.normal(0, 1, len(column))
    noise[odd] = 0.0
    return np.stack([column, noise], axis=1)


def jump() -> tuple[Floats, np.ndarray, int]:
    """Make a slow wave that is for one window where it is half a period later."""
    column = wave(6_000, 400, 0.1)
    odd = 5_101
    column[odd] = -column[odd]
    return with_noise(column, odd), steady(6_000), odd


def shift() -> tuple[Floats, np.ndarray, int]:
    """Make a level that walks far, but slowly, and steps aside within its range for three windows."""
    column = wave(6_000, 3_000, 0.05)
    odd = 5_300
    column[odd : odd + 3] += 0.8 * np.array([1 / 3, 2 / 3, 1])
    return with_noise(column, odd + 2), steady(6_000), odd + 2


def order() -> tuple[Floats, np.ndarray, int]:
    """Go up, middle, down, middle, and so on, and once up again after the middle: each step and value is usual."""
    column = np.tile([4.0, 0.0, -4.0, 0.0], 1_500) + RNG.normal(0, 0.1, 6_000)
    odd = 5_002
    column[odd] = 4.0
    return with_noise(column, odd), steady(6_000), odd


def wrong_hour(period_ns: int) -> tuple[Floats, np.ndarray, int]:
    """Make a series that is busy in the first third of each period, and once in the middle of the rest."""
    hours = period_ns // HOUR
    begin_ns = steady(30 * hours * (6 if period_ns == DAY else 1), HOUR // 6 if period_ns == DAY else HOUR)
    column = np.where(begin_ns % period_ns < period_ns // 3, 3.0, 0.0) + RNG.normal(0, 0.3, len(begin_ns))
    odd = int(np.searchsorted(begin_ns, 25 * period_ns + period_ns * 2 // 3))
    column[odd] += 3.0
    return with_noise(column, odd), begin_ns, odd


SEEN = {
    "difference": jump(),
    "deviation": shift(),
    "lag": order(),
    "time_of_day": wrong_hour(DAY),
    "time_of_week": wrong_hour(7 * DAY),
}


@pytest.mark.parametrize("kind", KINDS)
def test_each_kind_makes_the_forest_find_what_it_does_not_find_alone(kind: str) -> None:
    x, begin_ns, odd = SEEN[kind]
    trained = len(x) * 3 // 4
    assert rank([], x, begin_ns, odd, trained) > 0.05
    assert rank([kind], x, begin_ns, odd, trained) < 0.001


def test_the_field_at_the_wrong_hour_is_named() -> None:
    x, begin_ns, odd = SEEN["time_of_day"]
    trained = len(x) * 3 // 4
    shares = follow(detector(x[:trained], begin_ns[:trained], KINDS), 1).explain(begin_ns[trained:], x[trained:])[1]
    assert shares.shape == (len(x) - trained, 2)
    assert shares[odd - trained, 0] > 0.6


def test_a_window_without_a_past_is_scored_as_by_a_forest_without_context() -> None:
    x, begin_ns, _ = SEEN["deviation"]
    plain, full = (detector(x[:4_000], begin_ns[:4_000], kinds) for kinds in ([], ["deviation"]))
    expected = follow(plain, 0).explain(begin_ns[4_000:], x[4_000:])
    found = follow(full, 0).explain(begin_ns[4_000:], x[4_000:])
    np.testing.assert_array_equal(found[0][:24], expected[0][:24])
    np.testing.assert_allclose(found[1][:24], expected[1][:24], rtol=0, atol=1e-12)
    assert (found[0][24:] != expected[0][24:]).mean() > 0.9


@pytest.mark.parametrize(
    ("kinds", "step", "unknown"),
    [
        (["difference"], 6 * MINUTE, 0),
        (["difference"], 7 * MINUTE, 1),
        (["lag"], 7 * MINUTE, 2),
        (["deviation", "lag"], -HOUR, 24),
        (["deviation"], 0, 24),
        (["time_of_day", "time_of_week"], DAY, 0),
    ],
)
def test_after_a_pause_or_a_step_back_the_past_begins_anew(kinds: list[str], step: int, unknown: int) -> None:
    begin_ns = np.concatenate([steady(50), 49 * MINUTE + step + steady(50)])
    _, known = extend(Columns(kinds, 1, MINUTE).pasts(1), begin_ns, RNG.normal(0, 1, (100, 1)))
    after = known[50:]
    assert (~after).sum() == unknown
    assert after[unknown:].all()


def test_columns_are_what_they_are_called() -> None:
    x = RNG.normal(0, 1, (40, 2))
    extended, _ = extend(Columns(KINDS, 2, HOUR).pasts(1), steady(40, HOUR), x)
    names = column_names(KINDS, ["a", "b"])
    last = dict(zip(["a", "b", *names], extended[-1], strict=True))
    median = np.median(x[15:39, 1])
    assert last == pytest.approx(
        {
            "a": x[39, 0],
            "b": x[39, 1],
            "difference of a": x[39, 0] - x[38, 0],
            "difference of b": x[39, 1] - x[38, 1],
            "deviation of a": last["deviation of a"],
            "deviation of b": (x[39, 1] - median) / (1.4826 * np.median(np.abs(x[15:39, 1] - median))),
            "lag 1 of a": x[38, 0],
            "lag 1 of b": x[38, 1],
            "lag 2 of a": x[37, 0],
            "lag 2 of b": x[37, 1],
            "sin(time_of_day)": 3 * np.sin(2 * np.pi * 15 / 24),
            "cos(time_of_day)": 3 * np.cos(2 * np.pi * 15 / 24),
            "sin(time_of_week)": 3 * np.sin(2 * np.pi * 39 / 168),
            "cos(time_of_week)": 3 * np.cos(2 * np.pi * 39 / 168),
        }
    )


def test_the_time_of_day_is_that_of_the_time_zone_before_and_after_a_change_of_the_clock() -> None:
    hour = 3_600_000_000_000
    # Noon in Berlin on the days before and after 27 October 2024, when it goes from 10 h to 11 h UTC.
    noons = (20_022 * 24 + np.array([10, 24 + 11, 48 + 11])) * hour
    columns = Columns(["time_of_day"], 1, MINUTE)
    extended, _ = columns.pasts(1, CivilTime("Europe/Berlin")).extend(np.zeros(3, dtype=int), noons, np.zeros((3, 1)))
    np.testing.assert_allclose(extended[:, 1:], [[0.0, -3.0]] * 3, atol=1e-9)


def test_an_unknown_feature_stays_unknown_its_columns_are_at_their_center_and_it_hides_no_other() -> None:
    kinds = ["difference", "deviation", "lag"]
    x = RNG.normal(5, 1, (60, 2))
    lacking = x.copy()
    lacking[30, 0] = np.nan
    (whole, _), (extended, known) = (
        extend(Columns(kinds, 2, MINUTE).pasts(1), steady(60), each) for each in (x, lacking)
    )
    assert known[24:].all()
    one, other = slice(0, None, 2), slice(1, None, 2)
    np.testing.assert_array_equal(extended[known, other], whole[known, other])
    assert np.argwhere(np.isnan(extended)).tolist() == [[30, 0]]
    # The feature itself, its difference, deviation and lags.
    assert [(extended[30 + later, one] == 0).tolist() for later in range(4)] == [
        [False, True, True, False, False],
        [False, True, True, True, False],
        [False, False, True, False, True],
        [False, False, True, False, False],
    ]
    assert (extended[55:, one] != 0).all()
    pasts, again = Columns(kinds, 2, MINUTE).pasts(1), Columns(kinds, 2, MINUTE).pasts(1)
    extend(pasts, steady(40), lacking[:40])
    again.memory.restore(ONE, pasts.memory.kept(ONE))
    np.testing.assert_array_equal(extend(again, steady(60)[40:], lacking[40:])[0], extended[40:])


def test_a_change_to_the_side_that_does_not_count_is_zero() -> None:
    x = RNG.normal(0, 1, (60, 3))
    both, sided = (
        extend(Columns(["difference", "deviation", "lag"], 3, MINUTE, sides).pasts(1), steady(60), x)[0][24:]
        for sides in (None, (1, -1, 0))
    )
    np.testing.assert_array_equal(sided[:, [3, 6]], np.maximum(both[:, [3, 6]], 0))
    np.testing.assert_array_equal(sided[:, [4, 7]], np.minimum(both[:, [4, 7]], 0))
    others = [0, 1, 2, 5, *range(8, 15)]
    np.testing.assert_array_equal(sided[:, others], both[:, others])


def test_the_past_of_a_series_does_not_grow() -> None:
    pasts = Columns(KINDS, 2, MINUTE).pasts(1)
    extend(pasts, steady(10_000), RNG.normal(0, 1, (10_000, 2)))
    kept = pasts.memory.kept(ONE)
    assert kept["context_after_ns"].tolist() == [[9_999 * MINUTE + 1]]
    assert (kept["context_kept"].tolist(), kept["context_rows"].shape) == ([[24]], (1, 1, 48))


@pytest.mark.parametrize(
    "array",
    [
        {"context_after_ns": np.zeros((1, 1), dtype=np.float64)},
        {"context_kept": np.full((1, 1), 25, dtype=np.uint8)},
        {"context_rows": np.zeros((1, 1, 24))},
        {"context_rows": np.zeros((1, 1, 50))},
    ],
)
def test_a_past_that_does_not_fit_is_refused(array: dict[str, np.ndarray]) -> None:
    pasts = Columns(["deviation"], 2, MINUTE).pasts(1)
    with pytest.raises(ValueError, match="context_"):
        pasts.memory.restore(ONE, {**pasts.memory.kept(ONE), **array})


def left_out_of(begin_ns: np.ndarray, window_ns: int, *, is_long: bool = True) -> dict[str, str]:
    return dict(choose(KINDS, np.zeros(len(begin_ns), dtype=np.intp), begin_ns, window_ns, is_long=is_long).left_out)


def test_time_is_used_where_the_history_has_seen_each_hour_twice() -> None:
    few = "of the 168 hours of the week, the history has seen {} in two weeks or more"
    assert left_out_of(steady(48 * 60), MINUTE) == {"time_of_week": few.format(0)}
    assert left_out_of(steady(47 * 60), MINUTE) == {
        "time_of_day": "of the 24 hours of the day, the history has seen 23 on two days or more",
        "time_of_week": few.format(0),
    }
    assert left_out_of(steady(10 * 24 * 60), MINUTE) == {"time_of_week": few.format(72)}
    assert left_out_of(steady(14 * 24 * 60), MINUTE) == {}
    assert left_out_of(steady(14 * 4, 6 * HOUR), 6 * HOUR) == {}


def test_a_short_history_is_enough_for_nothing() -> None:
    left_out = left_out_of(steady(14 * 24 * 60), MINUTE, is_long=False)
    assert left_out == dict.fromkeys(KINDS, "the history has less than 1,000 windows of each series")


def test_a_scattered_history_is_not_enough_for_what_needs_windows_in_a_row() -> None:
    begin_ns = (steady(4_000) // MINUTE // 10 * 10 * 2 + steady(4_000) // MINUTE % 10) * MINUTE
    left_out = left_out_of(begin_ns, MINUTE)
    assert left_out["deviation"] == "0% of the history's windows have 24 before them without a pause"
    assert not {"difference", "lag"} & left_out.keys()


def test_a_model_with_context_is_calm_on_usual_windows_and_says_what_it_left_out() -> None:
    (pipeline,) = normalize([{**printers.PIPELINE.as_dict(), "parameters": {"trees": 60, "context": list(KINDS)}}])
    said: list[str] = []

    class Progress:
        def say(self, text: str) -> None:
            said.append(text)

        note = say

        def at(self, share: float, what: str) -> None:
            pass

    windows = printers.windows(printers.clean(1, 20_000), printers.clean(2, 20_000))
    trained = train(pipeline, windows, "v", 0, Progress())
    assert trained.plan.context.used == ("difference", "deviation", "lag")
    assert trained.plan.context.left_out.keys() == {"time_of_day", "time_of_week"}
    assert any(text.startswith("the forest does not look at time_of_day: of the 24 hours of the day") for text in said)
    usual = printers.windows(printers.clean(11, 40_000))
    model = trained.model
    scores = score_windows(model.scaling, model.detector, usual)
    assert (model.severities(scores) >= pipeline.periods.open).mean() < 0.001
    verdicts = printers.judge(model, ("printer-1",), usual.values[:100])
    assert [sum(verdict.contribution) for verdict in verdicts] == pytest.approx([1.0] * 100)


def test_the_schema_names_all_kinds_of_context() -> None:
    assert load_schema()["properties"]["parameters"]["properties"]["context"]["items"]["enum"] == list(KINDS)


def test_the_order_of_kinds_changes_nothing() -> None:
    x, begin_ns, _ = SEEN["lag"]
    one, other = (detector(x, begin_ns, kinds).arrays() for kinds in (["lag", "difference"], ["difference", "lag"]))
    assert {name: array.tobytes() for name, array in one.items()} == {
        name: array.tobytes() for name, array in other.items()
    }
