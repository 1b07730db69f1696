"""The file that says up to where the windows of each series are closed, and that a kill does not set back.

    <state>/<pipeline>.closed    beside the file of the state

The file of the state is written once a minute. A process that was killed leaves one in which windows are open that it
has closed since. The next process would score them a second time, from a part of their points, and open a period
that people were told long ago. So each closing is appended here, at 24 bytes a series, and the next process leaves
those windows out.

A process appends a closing about a second after it has handed the results on. What it could not hand on before a kill
is thus scored by the next one. Nothing is flushed to the disk: where a host loses its power, the file says less, and
windows are scored again. A record carries a check, and what does not fit is passed over.
"""

import hashlib
import os
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from anomaly.windows.arrays import NEVER, Key, Times

Signs = npt.NDArray[np.uint64]
_SUFFIX = ".closed"
_RECORD = np.dtype([("sign", "<u8"), ("end_ns", "<i8"), ("check", "<u8")])
# A record of zeros, which a lost block leaves, does not fit.
_CHECK = np.uint64(0x9E3779B97F4A7C15)
# Beyond this many records for each series, but at least this many in all, the file is written anew.
_RECORDS_A_SERIES, _LEAST_RECORDS = 8, 50_000


def sign(key: Key) -> int:
    """Return what stands for a series: 64 bits of a hash of its key, never 0."""
    return int.from_bytes(hashlib.blake2b("\0".join(key).encode(), digest_size=8).digest(), "little") or 1


class ClosingFile:
    """The file of one pipeline.

    Args:
        folder: where the file of the state lies.
        pipeline: the pipeline's name.

    Attributes:
        path: the file.
    """

    def __init__(self, folder: Path | str, pipeline: str) -> None:
        self.path = Path(folder) / f"{pipeline}{_SUFFIX}"
        self._handle: int | None = None
        self._records = 0

    def read(self, signs: Sequence[int], latest_ns: int) -> Times:
        """Return up to where the windows of series are closed, shape (n,); NEVER where nobody knows.

        Args:
            signs: what stands for the n series.
            latest_ns: a record of a later time is damaged, or was made while the clock was wrong.
        """
        ends = np.full(len(signs), NEVER)
        try:
            content = self.path.read_bytes()
        except OSError:
            return ends
        records = np.frombuffer(content, dtype=_RECORD, count=len(content) // _RECORD.itemsize)
        fits = records["check"] == records["sign"] ^ records["end_ns"].astype(np.uint64) ^ _CHECK
        records = records[fits & (records["end_ns"] <= latest_ns)]
        order = np.argsort(np.asarray(signs, dtype=np.uint64), kind="stable")
        in_order = np.asarray(signs, dtype=np.uint64)[order]
        if not len(order) or not len(records):
            return ends
        place = np.minimum(np.searchsorted(in_order, records["sign"]), len(order) - 1)
        is_known = in_order[place] == records["sign"]
        np.maximum.at(ends, order[place[is_known]], records["end_ns"][is_known])
        return ends

    def is_long(self, series: int) -> bool:
        """Whether the file is to be written anew: it was not yet by this process, or most of its records are old."""
        return self._handle is None or self._records > max(_RECORDS_A_SERIES * series, _LEAST_RECORDS)

    def rewrite(self, signs: Signs, ends_ns: Times) -> None:
        """Replace the file by one record for each of n series, and append to that from now on.

        Args:
            signs: what stands for the series, shape (n,).
            ends_ns: up to where their windows are closed, shape (n,).

        Raises:
            OSError: the file cannot be written.
        """
        self.end()
        handle, name = tempfile.mkstemp(dir=self.path.parent, prefix=f".{self.path.name}-")
        try:
            _write(handle, signs, ends_ns)
            Path(name).replace(self.path)
        except OSError:
            os.close(handle)
            Path(name).unlink(missing_ok=True)
            raise
        self._handle, self._records = handle, len(signs)

    def append(self, signs: Signs, ends_ns: Times) -> None:
        """Append a record for each of n closed windows.

        Args:
            signs: what stands for their series, shape (n,).
            ends_ns: their ends, shape (n,).

        Raises:
            OSError: the file cannot be written.
        """
        if self._handle is None:
            raise ValueError("append before rewrite")
        _write(self._handle, signs, ends_ns)
        self._records += len(signs)

    def end(self) -> None:
        """Append no more."""
        if self._handle is not None:
            os.close(self._handle)
            self._handle = None


def _write(handle: int, signs: Signs, ends_ns: Times) -> None:
    records = np.empty(len(signs), dtype=_RECORD)
    records["sign"], records["end_ns"] = signs, ends_ns
    records["check"] = signs ^ ends_ns.astype(np.uint64) ^ _CHECK
    content = memoryview(records.tobytes())
    while content:
        content = content[os.write(handle, content) :]
