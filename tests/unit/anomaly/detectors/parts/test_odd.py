"""The window in which the clock changes is not added up with those after it."""

from datetime import UTC, datetime

import numpy as np

from anomaly.detectors.gap import KIND
from anomaly.detectors.parts.channel import Setting
from anomaly.nanoseconds import DAY_NS
from anomaly.windows.arrays import Floats, Ints
from anomaly.windows.civil import PLAIN, CivilTime
from anomaly.windows.cut import cut

WINDOWS, ODD = 80, 60
BERLIN = cut(DAY_NS, "Europe/Berlin")
# The day in which the clock is put back, 27 October 2024, is window ODD.
FIRST = BERLIN.number(int(datetime(2024, 10, 27, tzinfo=UTC).timestamp()) * 1_000_000_000) - ODD
BEGIN_NS = BERLIN.at(FIRST + np.arange(WINDOWS))
CIVIL = CivilTime("Europe/Berlin", cut=BERLIN)


def values() -> Floats:
    made = np.random.default_rng(0).uniform(0.0, 1.0, (WINDOWS, 2))
    made[ODD] = 3.0
    return made


def scores(civil: CivilTime, *batches: slice) -> Floats:
    followers = KIND.followers([Setting(DAY_NS)] * 2, capacity=1, civil=civil)
    x, place = values(), np.zeros(WINDOWS, dtype=np.intp)
    return np.concatenate([followers.explain(place[part], BEGIN_NS[part], x[part])[0] for part in batches])


def test_the_odd_window_itself_is_scored_and_those_after_it_only_for_themselves() -> None:
    followed, plain = scores(CIVIL, slice(None)), scores(PLAIN, slice(None))

    assert CIVIL.are_odd(BEGIN_NS).nonzero()[0].tolist() == [ODD]
    np.testing.assert_array_equal(followed[: ODD + 1], plain[: ODD + 1])
    assert followed[ODD] > 1.0
    # Where no clock is known, what was far is still heard of.
    assert followed[ODD + 1] < plain[ODD + 1]


def test_windows_one_by_one_and_all_at_once_get_equal_scores() -> None:
    one_by_one = [slice(at, at + 1) for at in range(WINDOWS)]

    np.testing.assert_array_equal(scores(CIVIL, *one_by_one), scores(CIVIL, slice(None)))


def test_series_beside_each_other_begin_their_sums_anew_for_themselves() -> None:
    followers = KIND.followers([Setting(DAY_NS)] * 2, capacity=2, civil=CIVIL)
    place: Ints = np.tile(np.arange(2), WINDOWS)
    x = np.repeat(values(), 2, axis=0)

    found = followers.explain(place, np.repeat(BEGIN_NS, 2), x)[0]

    np.testing.assert_array_equal(found[::2], scores(CIVIL, slice(None)))
    np.testing.assert_array_equal(found[1::2], scores(CIVIL, slice(None)))
