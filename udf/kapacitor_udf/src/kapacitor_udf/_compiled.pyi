from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt

from ._data import Point

def pass_points(data: bytes, position: int, limit: int, most: int) -> tuple[int, int]: ...
def split(frames: bytes) -> list[bytes]: ...

class Scanner:
    def __init__(self, wanted: Sequence[bytes], added: Sequence[bytes], incomplete: bool) -> None: ...
    def scan(
        self,
        frames: bytes,
        numbers: dict[bytes, int],
        number: Callable[[bytes], int],
        times: npt.NDArray[np.int64],
        values: npt.NDArray[np.float64],
        groups: npt.NDArray[np.int64],
        starts: npt.NDArray[np.int64],
        stops: npt.NDArray[np.int64],
        plain: npt.NDArray[np.uint8],
    ) -> None: ...

class TagScanner:
    def __init__(self, wanted: Sequence[bytes], tags: Sequence[bytes], measurements: Sequence[bytes]) -> None: ...
    def scan(
        self,
        frames: bytes,
        numbers: dict[bytes, int],
        number: Callable[[bytes], int],
        times: npt.NDArray[np.int64],
        values: npt.NDArray[np.float64],
        groups: npt.NDArray[np.int64],
        identities: npt.NDArray[np.uint64],
        unusable: npt.NDArray[np.int64],
        starts: npt.NDArray[np.int64],
        stops: npt.NDArray[np.int64],
        plain: npt.NDArray[np.uint8],
    ) -> None: ...

class Appender:
    def __init__(self, columns: Sequence[tuple[int, bytes]]) -> None: ...
    def append(
        self,
        frames: bytes,
        starts: npt.NDArray[np.int64],
        stops: npt.NDArray[np.int64],
        cells: npt.NDArray[np.uint64],
        texts: list[bytes],
    ) -> tuple[bytes, int]: ...

class PointWriter:
    def __init__(self, columns: Sequence[tuple[int, bytes]]) -> None: ...
    def write(
        self,
        heads: list[bytes],
        tail: bytes,
        times: npt.NDArray[np.int64],
        cells: npt.NDArray[np.uint64],
        present: npt.NDArray[np.uint8],
        texts: list[bytes],
    ) -> tuple[bytes, int]: ...

class PointDecoder:
    def __init__(self, make: type[Point]) -> None: ...
    def decode(self, frames: bytes) -> list[Point | bytes]: ...

class PointEncoder:
    def encode(self, point: Point) -> bytes | None: ...
