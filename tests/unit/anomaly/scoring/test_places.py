"""Series have places in a model's followers; the one that has been quiet longest makes room."""

import json
from dataclasses import replace

import numpy as np
import pytest

from anomaly.models.model import Model
from anomaly.pipeline import normalize
from anomaly.scoring.places import Places, packed, unpacked
from anomaly.training.fit import train
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


def test_a_follower_is_found_by_its_version(model: Model) -> None:
    places = Places(model, 2)
    feed(places, "a", 0)
    assert places.find(("a",), "v") is not None
    assert places.find(("a",), "another") is None
    assert places.find(("b",), "v") is None


def test_a_snapshot_holds_what_is_remembered(model: Model) -> None:
    places, others = Places(model, 2), Places(model, 1)
    for at in range(60):
        feed(places, "a", at)
    state = json.loads(json.dumps(packed(places[("a",)].arrays())))
    others.begin(("a",)).restore(unpacked(state))
    assert feed(others, "a", 60) == feed(places, "a", 60)
    assert packed({}) is None


@pytest.mark.parametrize("state", [[1, 2], {"a": 1}, {"a": ["<f8", [2], "AAAA"]}, {"a": ["O", [1], "AAAAAAAAAAA="]}])
def test_a_snapshot_that_does_not_fit_is_refused(state: object) -> None:
    with pytest.raises((TypeError, ValueError)):
        unpacked(state)
