import math
from typing import Any

import pytest

from kapacitor_udf import DeclarationError, Limits


def test_defaults_are_in_range() -> None:
    assert Limits() == Limits.parse([])


@pytest.mark.parametrize(
    ("limits", "says"),
    [
        ({"patience": math.inf}, "the limit patience is inf, expected a number from 0.0 to 86400.0"),
        ({"patience": math.nan}, "the limit patience is nan"),
        ({"drain": -1}, "the limit drain is -1, expected a number from 0.001 to 86400.0"),
        ({"drain": 0}, "the limit drain is 0"),
        ({"heartbeat": 0}, "the limit heartbeat is 0"),
        ({"heartbeat": "1"}, "the limit heartbeat is '1'"),
        ({"slow": None}, "the limit slow is None"),
        ({"longest_init": 1e9}, "the limit longest_init is 1000000000.0"),
        ({"queue_points": 0}, "the limit queue_points is 0, expected an integer from 1 to 1000000000"),
        ({"queue_points": True}, "the limit queue_points is True"),
        ({"queue_points": 1.5}, "the limit queue_points is 1.5, expected an integer"),
        (
            {"largest_message": 2**31},
            "the limit largest_message is 2147483648, expected an integer from 1 to 2147483647",
        ),
    ],
)
def test_a_limit_out_of_range_is_refused_with_name_value_and_range(limits: dict[str, Any], says: str) -> None:
    with pytest.raises(DeclarationError) as caught:
        Limits(**limits)
    assert says in str(caught.value)


def test_a_command_line_sets_limits() -> None:
    assert Limits.parse(["drain=2", "queue_points=5", "drain=3.5"]) == Limits(drain=3.5, queue_points=5)


@pytest.mark.parametrize(
    ("setting", "says"),
    [
        ("drain", "the limit drain is '', expected a number"),
        ("drian=1", "the limit 'drian=1' is unknown, give NAME=VALUE of: queue_points, "),
        ("queue_points=1.5", "the limit queue_points is '1.5', expected an integer"),
        ("drain=-1", "the limit drain is -1.0, expected a number from 0.001"),
    ],
)
def test_a_setting_that_cannot_be_is_named(setting: str, says: str) -> None:
    with pytest.raises(DeclarationError) as caught:
        Limits.parse([setting])
    assert says in str(caught.value)
