"""What training says of a pipeline's rules."""

from collections import Counter

from anomaly.pipeline import normalize
from anomaly.training.rules import rule_warnings
from anomaly.windows.arrays import Key

(PIPELINE,) = normalize(
    [
        {
            "name": "p",
            "database": "d",
            "measurement": "m",
            "fields": [{"name": "temperature", "valid": [-40, 125]}],
            "group_by": ["room"],
            "window": "1m",
            "overrides": [
                {"where": {"room": {"matches": "^ha"}}, "fields": [{"name": "temperature", "limits": [0, 30]}]},
                {"where": {"room": "cellar"}, "fields": [{"name": "temperature", "limits": [0, 20]}]},
            ],
        }
    ]
)
ROOMS = [(f"room-{number}",) for number in range(4)] + [("hall",)]


def test_values_that_are_left_out_are_counted_and_their_series_named() -> None:
    invalid: Counter[tuple[Key, str]] = Counter({((f"room-{n}",), "temperature"): 10 * n + 1 for n in range(5)})
    assert list(rule_warnings(PIPELINE, [("cellar",), *ROOMS], invalid)) == [
        (
            "values of 'temperature' are invalid, and left out: 41 of room=room-4, 31 of "
            "room=room-3, 21 of room=room-2, and more of 2 other series"
        )
    ]


def test_an_override_that_is_for_no_series_is_named() -> None:
    assert list(rule_warnings(PIPELINE, ROOMS, Counter())) == [
        (
            "overrides[1] is for no series of the history (room is cellar): check its `where`; there is room=hall, "
            "room=room-0, room=room-1, and 2 more"
        )
    ]
