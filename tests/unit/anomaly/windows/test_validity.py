"""Which values are measurements, for each series."""

import numpy as np

from anomaly.pipeline import normalize
from anomaly.windows.validity import Validity, validity_of

PIPELINE = {
    "name": "p",
    "database": "d",
    "measurement": "m",
    "fields": ["power", {"name": "temperature", "valid": [-40, 125]}],
    "group_by": ["room"],
    "window": "1m",
}
OVEN = {"where": {"room": "oven"}, "fields": [{"name": "temperature", "valid": [None, 400]}]}


def validity(**more: object) -> Validity:
    (pipeline,) = normalize([{**PIPELINE, **more}])
    found = validity_of(pipeline)
    assert found is not None
    return found


def test_what_is_beyond_is_no_measurement_and_what_is_missing_is_nothing() -> None:
    values = np.array([[-127.0, -127.0], [9e9, 20.0], [1.0, np.nan], [np.nan, 125.0], [1.0, 125.5]])
    beyond = validity().beyond(("hall",), values)
    np.testing.assert_array_equal(beyond, [[0, 1], [0, 0], [0, 0], [0, 0], [0, 1]])


def test_an_override_has_other_bounds_for_its_series() -> None:
    values = np.array([[1.0, 250.0], [1.0, -127.0]])
    found = validity(overrides=[OVEN])
    np.testing.assert_array_equal(found.beyond(("oven",), values), [[0, 0], [0, 0]])
    np.testing.assert_array_equal(found.beyond(("hall",), values), [[0, 1], [0, 1]])
    assert found.described(("hall",), {1: -127.0}) == (
        "temperature is -127, which is not a measurement (valid is -40 to 125)"
    )


def test_an_override_alone_makes_values_no_measurements() -> None:
    assert validity(fields=["power", "temperature"], overrides=[OVEN]).beyond(("oven",), np.array([[0, 401.0]])).any()


def test_without_bounds_every_value_is_a_measurement() -> None:
    (pipeline,) = normalize([{**PIPELINE, "fields": ["power", {"name": "temperature", "limits": [0, 30]}]}])
    assert validity_of(pipeline) is None
    assert not pipeline.needs_points
