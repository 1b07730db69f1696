"""Series have places in a model's followers; the one that has been quiet longest makes room."""

import io
from dataclasses import replace
from typing import Any, cast

import numpy as np
import pytest

from anomaly.models.model import Model
from anomaly.pipeline import normalize
from anomaly.scoring.places import Places
from anomaly.training.fit import train
from anomaly.windows.arrays import AnyArray, Ints
from anomaly.windows.civil import CivilTime
from tests.unit.anomaly import printers
from tests.unit.anomaly.detectors.test_ensemble import PIPELINE


@pytest.fixture(scope="module")
def model() -> Model:
    return train(PIPELINE, printers.windows(printers.clean(5, 10_000)), "v", 0).model


def feed(places: Places, key: str, at: int) -> float:
    follower = places[(key,)] if (key,) in places else places.begin((key,))
    scores, _ = follower.explain(np.array([at * printers.WINDOW_NS]), np.full((1, 6), 0.1 * at))
    return float(scores[0])


def test_the_series_that_has_been_quiet_longest_makes_room(model: Model) -> None:
    places = Places(model, 2)
    for at, key in enumerate(["a", "b", "a", "c"]):
        feed(places, key, at)
    assert [(key,) in places for key in "abc"] == [True, False, True]
    assert feed(places, "b", 4) == feed(Places(model, 1), "b", 4)
    assert [(key,) in places for key in "abc"] == [False, True, True]


def test_followers_take_no_more_than_the_memory_of_the_pipeline(model: Model) -> None:
    most = 8 * 2**20 // model.bytes_per_series
    (pipeline,) = normalize([{**PIPELINE.as_dict(), "memory": "8MiB"}])
    places = Places(replace(model, pipeline=pipeline), 10_000)
    for at in range(most):
        places.begin((f"{at}",))
    assert ("0",) in places

    places.begin(("one more",))

    assert [key in places for key in (("0",), ("1",), ("one more",))] == [False, True, True]


def test_a_forgotten_series_gives_its_place_to_the_next_new_one(model: Model) -> None:
    places = Places(model, 2)
    for at, key in enumerate(["a", "b"]):
        feed(places, key, at)
    places.forget(("a",))
    places.forget(("nobody",))
    assert feed(places, "c", 4) == feed(Places(model, 1), "c", 4)
    assert [(key,) in places for key in "abc"] == [False, True, True]


def state_of(places: Places) -> dict[str, AnyArray]:
    """Return what the file of a state would give back."""
    file = io.BytesIO()
    np.savez(file, allow_pickle=False, **places.state())
    file.seek(0)
    with np.load(file, allow_pickle=False) as archive:
        return dict(archive)


def test_a_state_holds_what_is_remembered(model: Model) -> None:
    places, others = Places(model, 3), Places(model, 3)
    for at in range(60):
        feed(places, "a", at)
        feed(places, "b", 2 * at)
    feed(others, "c", 7)

    others.restore(state_of(places))

    assert [feed(others, key, 120) for key in "ab"] == [feed(places, key, 120) for key in "ab"]
    assert feed(others, "c", 8) == after(model, 7, 8)


def after(model: Model, *windows: int) -> float:
    places = Places(model, 1)
    return [feed(places, "c", at) for at in windows][-1]


def test_a_state_may_have_more_series_than_are_put_back_at_once(model: Model) -> None:
    wide = replace(model, pipeline=normalize([{**PIPELINE.as_dict(), "memory": "1GiB"}])[0])
    places, others = Places(wide, 1_500), Places(wide, 1_500)
    for at in range(1_100):
        feed(places, f"{at}", at)

    others.restore(state_of(places))

    for at in (0, 511, 512, 1_023, 1_024, 1_099):
        assert feed(others, f"{at}", 2_000) == feed(places, f"{at}", 2_000)


def test_what_followers_of_another_model_remember_does_not_count(model: Model) -> None:
    places, others = Places(model, 1), Places(replace(model, version="another"), 1)
    feed(places, "c", 0)

    others.restore(state_of(places))

    assert ("c",) not in others


def test_a_detector_that_remembers_nothing_has_no_state(model: Model) -> None:
    class Memoryless:
        bytes_per_series = 0

        def begin(self, place: Ints, row: Ints) -> None:
            """There is nothing to begin."""

    class Detector:
        def followers(self, capacity: int, civil: CivilTime) -> Memoryless:
            return Memoryless()

    places = Places(replace(model, detector=cast(Any, Detector())), 1)
    places.begin(("a",))
    assert places.state() == {}
    places.restore({})


def test_the_parts_of_a_state_of_more_series_than_there_is_room_for_keep_the_newest(model: Model) -> None:
    places, others = Places(model, 3), Places(model, 2)
    for at, key in enumerate("abc"):
        feed(places, key, at)

    left_out = [others.restore(places.state([(key,)])) for key in "abc"]

    assert left_out == [[], [], [("a",)]]
    assert others.keys == [("b",), ("c",)]
    assert feed(others, "c", 5) == feed(places, "c", 5)


def test_a_state_of_more_series_than_there_is_room_for_keeps_the_newest(model: Model) -> None:
    places, others = Places(model, 3), Places(model, 2)
    for at, key in enumerate("abc"):
        feed(places, key, at)
    feed(places, "a", 3)

    left_out = others.restore(state_of(places))

    assert left_out == [("b",)]
    assert [(key,) in others for key in "abc"] == [True, False, True]
    assert [feed(others, key, 9) for key in "ca"] == [feed(places, key, 9) for key in "ca"]


@pytest.mark.parametrize(
    "changes",
    [
        {"memory_gap_after_ns": None},
        {"memory_gap_after_ns": np.zeros((1, 6), dtype=np.float32)},
        {"memory_gap_after_ns": np.zeros((2, 6), dtype=np.int64)},
        {"key_lengths": None},
        {"key_lengths": np.array([[2]], dtype=np.int32)},
        {"key_lengths": np.array([[-1]], dtype=np.int32)},
        {"key_bytes": np.zeros(0, dtype=np.uint8)},
    ],
)
def test_a_state_that_does_not_fit_is_refused_and_its_series_begin_anew(
    model: Model, changes: dict[str, AnyArray | None]
) -> None:
    places, others = Places(model, 1), Places(model, 1)
    for at in range(3):
        feed(places, "a", at)
    state = {name: array for name, array in {**places.state(), **changes}.items() if array is not None}

    with pytest.raises((KeyError, ValueError)):
        others.restore(state)

    assert feed(others, "a", 4) == feed(Places(model, 1), "a", 4)
