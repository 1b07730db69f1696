"""Documents and keys as arrays, which a state is made of."""

from collections import UserDict
from collections.abc import Iterator

import numpy as np
import pytest

from anomaly.scoring.packing import document, keys_as_arrays, keys_of, numbered, part_of, parts_of, prefixed, text
from anomaly.windows.arrays import AnyArray, Key


def test_a_document_is_what_it_was() -> None:
    assert document(text({"key": ["é", None, 1.5]})) == {"key": ["é", None, 1.5]}


@pytest.mark.parametrize("keys", [[], [()], [("",), ("a",)], [("a b", "é"), ("", "=,"), ("0", "\U0001f600")]])
def test_keys_are_what_they_were(keys: list[Key]) -> None:
    assert keys_of(keys_as_arrays(keys)) == keys


def test_a_series_that_is_there_twice_is_refused() -> None:
    with pytest.raises(ValueError, match="twice"):
        keys_of(keys_as_arrays([("a",), ("b",), ("a",)]))


def test_lengths_that_do_not_fit_are_refused() -> None:
    arrays = keys_as_arrays([("a",), ("bc",)])
    with pytest.raises(ValueError, match="their lengths say otherwise"):
        keys_of({**arrays, "key_lengths": np.array([[1], [3]], dtype=np.int32)})


def test_the_parts_of_a_state_keep_apart() -> None:
    state = {**prefixed("a_", {"x": np.zeros(1)}), **prefixed("b_", {"x": np.ones(1)})}
    assert part_of(state, "b_")["x"].tolist() == [1.0]
    assert part_of(state, "c_") == {}


def test_parts_come_back_in_their_order_and_each_name_is_looked_at_once() -> None:
    class Names(UserDict[str, AnyArray]):
        """Arrays that count how often all of their names are asked for."""

        asked = 0

        def __iter__(self) -> Iterator[str]:
            self.asked += 1
            return super().__iter__()

    arrays = Names(
        {name: array for part in numbered({"x": np.full(1, at)} for at in range(12)) for name, array in part.items()}
    )
    arrays["header"] = np.zeros(1)

    parts = list(parts_of(arrays))

    assert [part["x"].tolist() for part in parts] == [[at] for at in range(12)]
    assert [list(part) for part in parts] == [["x"]] * 12
    assert arrays.asked == 1
