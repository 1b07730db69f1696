"""The names of array types and of a series' key, once for the whole package."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]
# Positions in other arrays.
Ints = NDArray[np.intp]
# Nanoseconds since 1970.
Times = NDArray[np.int64]
# Nodes and leaves of a forest, which has millions of them.
Int32s = NDArray[np.int32]
# What a model's file holds: arrays of any kind.
AnyArray = NDArray[np.generic]
# Integers of any width; forests are stored with narrow ones.
AnyInts = NDArray[np.signedinteger[Any]]

# A series' tag values, in `group_by`'s order.
Key = tuple[str, ...]
