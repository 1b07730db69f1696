"""How much memory the state of a pipeline's series needs."""

from typing import Any

import pytest

from anomaly.detectors.ensemble import MEMBERS
from anomaly.detectors.parts.channel import Setting
from anomaly.detectors.parts.featurewise import ChannelKind
from anomaly.detectors.seasonal import KIND as SEASONAL
from anomaly.detectors.seasonal_gap import KIND as SEASONAL_GAP
from anomaly.nanoseconds import DAY_NS, HOUR_NS
from anomaly.pipeline import Pipeline, normalize
from anomaly.pipeline.detectors import descriptions
from anomaly.pipeline.season import season_parts
from anomaly.pipeline.state import described, fits, most_series, process_bytes, series_bytes
from tests.unit.anomaly.made_detectors import MADE, made
from tests.unit.anomaly.pipeline.minimal import MINIMAL


def one(**changes: Any) -> Pipeline:
    return normalize([{**MINIMAL, **changes}])[0]


def test_the_default_detector_takes_some_kilobytes_for_each_feature() -> None:
    four = series_bytes(one())
    eight = series_bytes(one(fields=["a", "b", "c", "d"]))
    assert (eight - four) / 4 <= 12_000
    assert four == 54_272


@pytest.mark.parametrize("detector", sorted(descriptions()))
def test_each_detector_has_an_estimate(detector: str) -> None:
    assert 0 < series_bytes(one(detector=detector)) <= 55_000


def test_a_long_season_takes_more() -> None:
    more = series_bytes(one(seasonality="1w")) - series_bytes(one())
    assert more == 4 * 32 * (season_parts(7 * DAY_NS) - season_parts(DAY_NS))
    assert series_bytes(one(seasonality="90m")) == series_bytes(one())


def test_as_many_series_fit_as_have_room() -> None:
    pipeline = one(memory="512MiB")
    assert most_series(pipeline) == 2**29 // series_bytes(pipeline)


def test_people_are_told_what_series_need() -> None:
    pipeline = one(memory="64MiB")
    assert fits(pipeline, 100)
    assert not fits(pipeline, 2_000)
    assert described(pipeline, 100) == "the state of 100 series needs about 6 MiB of the pipeline's memory, 64MiB"
    assert described(pipeline, 2_000) == (
        "the state of 2,000 series needs about 104 MiB of the pipeline's memory, 64MiB: the UDF will forget "
        "those that have been quiet longest: write such as memory: 130MiB, or split the pipeline"
    )


def test_a_process_needs_its_own_part_and_the_state() -> None:
    assert process_bytes(one(memory="1GiB")) == 128 * 2**20 + 2**30


@pytest.mark.parametrize("kind", [kind for kind in MADE if not kind.endswith("-own")])
def test_an_estimate_is_what_followers_take_or_a_little_more(kind: str) -> None:
    name, _ = MADE[kind]
    taken = made(kind).followers(1).bytes_per_series
    description = descriptions()[name]

    estimate = description.series_bytes + 2 * description.feature_bytes

    assert taken <= estimate <= max(2 * taken, 8_192)


@pytest.mark.parametrize("kind", [SEASONAL, SEASONAL_GAP], ids=lambda kind: kind.name)
def test_a_part_of_a_season_takes_what_the_description_says(kind: ChannelKind) -> None:
    of_a_day = kind.memory([Setting(HOUR_NS)], 1).bytes_per_series
    of_both = kind.memory([Setting(HOUR_NS, 0, DAY_NS, (7 * DAY_NS,))], 1).bytes_per_series

    estimate = descriptions()[kind.name].part_bytes * season_parts(7 * DAY_NS)

    # The part and the season of the last window have a number for each length of a season.
    assert of_both - of_a_day == estimate + 2 * 4


def test_a_part_of_a_season_takes_in_the_ensemble_what_it_takes_in_its_members() -> None:
    each = descriptions()
    assert each["ensemble"].part_bytes == sum(each[name].part_bytes for name in MEMBERS)
