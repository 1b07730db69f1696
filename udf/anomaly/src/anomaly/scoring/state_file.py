"""The file in which a pipeline's state outlives its process: open windows, followers, periods and drift.

    <state>/<pipeline>.npz    what the UDF of the pipeline's task wrote last

The file is an archive of plain arrays, whose members carry a CRC-32 each; it is never unpickled. A header says for
which pipeline and rules the state was made, and in which layout. Nothing in it knows the host, so the file may be
copied to another one. The file is replaced as a whole: a reader finds the one before or the one after. It is written in
parts, and its arrays are read when they are asked for, so that nobody needs a copy of the whole state. Nothing is
handed out before the checksums of all members were found right.

The file is not flushed to the disk. A host that loses its power may leave a damaged file, which is refused like any
other one; the process then starts cold, and a catch-up completes what it has not scored.
"""

import contextlib
import json
import os
import tempfile
import zipfile
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np

from anomaly.pipeline import Pipeline
from anomaly.scoring.layout import LAYOUT
from anomaly.scoring.periods import Rules
from anomaly.windows.arrays import DAMAGE, AnyArray

HEADER = "header"
_SUFFIX = ".npz"


class StateError(Exception):
    """A state that cannot be used; the message names the file, what is wrong with it, and what follows."""


@dataclass(frozen=True, slots=True)
class StateHeader:
    """What a state was made for.

    Attributes:
        layout: the layout of the arrays.
        pipeline: the pipeline's name.
        fingerprint: the fingerprint of the pipeline.
        rules: the rules by which periods open and close, and windows close, as text.
        model: the version that scored last; None before there was one.
        written_ns: when the state was taken, in nanoseconds since 1970.
    """

    layout: int
    pipeline: str
    fingerprint: str
    rules: str
    model: str | None
    written_ns: int

    @classmethod
    def of(cls, pipeline: Pipeline, rules: Rules, model: str | None, written_ns: int) -> "StateHeader":
        """Return the header of a state that is taken now."""
        closing = f"{rules} lateness={pipeline.lateness_ns}"
        return cls(LAYOUT, pipeline.name, pipeline.fingerprint, closing, model, written_ns)

    @property
    def made_for(self) -> str:
        """What two states have in common of which one can be used in place of the other, but for their layout."""
        return f"{self.pipeline} {self.fingerprint} {self.rules}"

    def differences(self, other: "StateHeader") -> list[str]:
        """Return a line for each part of the header that keeps `other` from being used in place of this one."""
        return [
            f"{name}: {getattr(other, name)!r} in the file, {getattr(self, name)!r} here"
            for name in ("layout", "pipeline", "fingerprint", "rules")
            if getattr(self, name) != getattr(other, name)
        ]


class StateFile:
    """The file of one pipeline's state.

    Attributes:
        path: the file.
    """

    def __init__(self, folder: Path | str, pipeline: str) -> None:
        self.path = Path(folder) / f"{pipeline}{_SUFFIX}"

    def write(self, header: StateHeader, parts: Iterable[Mapping[str, AnyArray]]) -> int:
        """Replace the file.

        Args:
            header: what the state was made for.
            parts: the state by name, in parts with different names; each is written before the next one is asked for.

        Returns:
            The file's size in bytes.

        Raises:
            StateError: the file cannot be written; the file before it stays.
        """
        text = np.frombuffer(json.dumps(asdict(header)).encode(), dtype=np.uint8)
        temporary: Path | None = None
        try:
            for left in self.path.parent.glob(f".{self.path.name}-*"):
                # A process that was killed while it wrote; only one process of a pipeline writes.
                left.unlink(missing_ok=True)
            handle, name = tempfile.mkstemp(dir=self.path.parent, prefix=f".{self.path.name}-")
            temporary = Path(name)
            with os.fdopen(handle, "wb") as file:
                with zipfile.ZipFile(file, "w", allowZip64=True) as archive:
                    for part in chain([{HEADER: text}], parts):
                        for member, array in part.items():
                            _write_array(archive, member, array)
                size = file.tell()
            temporary.replace(self.path)
            temporary = None
        except OSError as error:
            raise StateError(
                f"the state {self.path} cannot be written ({error.strerror}): a restart goes on from the state before"
            ) from error
        finally:
            if temporary is not None:
                with contextlib.suppress(OSError):
                    temporary.unlink()
        return size

    def read(self, expected: StateHeader) -> tuple[StateHeader, Mapping[str, AnyArray]] | None:
        """Return the state, if it was made for the same pipeline and rules.

        The arrays are those of the file that is there now, also where another one takes its place.

        Args:
            expected: what the state must have been made for; its `model` and `written_ns` do not matter.

        Returns:
            The file's own header and the arrays by name, each read when it is asked for; None without a file.

        Raises:
            StateError: the file is damaged, cannot be read, or was made for something else.
        """
        try:
            with contextlib.ExitStack() as opened:
                archive = opened.enter_context(np.load(self.path, allow_pickle=False))
                header = header_of(archive[HEADER].tobytes())
                different = expected.differences(header)
                if different:
                    raise StateError(
                        f"the state {self.path} was made for something else ({'; '.join(different)}): "
                        "the pipeline starts without a memory, and the file is replaced"
                    )
                damaged = archive.zip.testzip()
                if damaged is not None:
                    raise zipfile.BadZipFile(f"the checksum of {damaged} is wrong")
                # Whoever has the arrays keeps the file open.
                opened.pop_all()
                return header, _Arrays(archive)
        except FileNotFoundError:
            return None
        except DAMAGE as error:
            raise StateError(
                f"the state {self.path} is damaged ({error}): the pipeline starts without a memory, and a catch-up "
                "completes what is not scored"
            ) from error


class _Arrays(Mapping[str, AnyArray]):
    """The arrays of an archive by name, each read when it is asked for."""

    def __init__(self, archive: Mapping[str, AnyArray]) -> None:
        self._archive = archive

    def __getitem__(self, name: str) -> AnyArray:
        """Read an array."""
        return self._archive[name]

    def __iter__(self) -> Iterator[str]:
        """Return the names, which the header's is not one of."""
        return (name for name in self._archive if name != HEADER)

    def __len__(self) -> int:
        return len(self._archive) - 1


def read_header(folder: Path | str, pipeline: str) -> StateHeader | None:
    """Return what a pipeline's state was made for, without reading the state; None without a file.

    Raises:
        StateError: the file is damaged, or cannot be read.
    """
    path = StateFile(folder, pipeline).path
    try:
        with np.load(path, allow_pickle=False) as archive:
            return header_of(archive[HEADER].tobytes())
    except FileNotFoundError:
        return None
    except DAMAGE as error:
        raise StateError(f"the state {path} is damaged ({error}): the next snapshot replaces it") from error


def _write_array(archive: zipfile.ZipFile, name: str, array: AnyArray) -> None:
    """Write an array as `numpy.savez` does, into an archive that is open."""
    with archive.open(f"{name}.npy", "w", force_zip64=True) as member:
        np.lib.format.write_array(member, array, allow_pickle=False)


def header_of(text: bytes) -> StateHeader:
    """Return the header of a file by its text. Raises KeyError, TypeError or ValueError for a text that is none."""
    content: dict[str, Any] = json.loads(text)
    # A later layout may say more; it is refused by its number.
    known = {name: content[name] for name in StateHeader.__dataclass_fields__}
    return StateHeader(**known)
