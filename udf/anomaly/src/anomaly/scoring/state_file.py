"""The file in which a pipeline's state outlives its process: open windows, followers, periods and drift.

    <state>/<pipeline>.npz    what the UDF of the pipeline's task wrote last

The file is an archive of plain arrays, whose members carry a CRC-32 each; it is never unpickled. A header says for
which pipeline and rules the state was made, and in which layout. Nothing in it knows the host, so the file may be
copied to another one. The file is replaced as a whole: a reader finds the one before or the one after.

The file is not flushed to the disk. A host that loses its power may leave a damaged file, which is refused like any
other one; the process then starts cold, and a catch-up completes what it has not scored.
"""

import contextlib
import json
import os
import tempfile
import zipfile
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from anomaly.pipeline import Pipeline
from anomaly.scoring.periods import Rules
from anomaly.windows.arrays import AnyArray

# Raised when the meaning or the form of an array changes; files of another layout are refused.
LAYOUT = 2
_HEADER = "header"
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

    def write(self, header: StateHeader, arrays: Mapping[str, AnyArray]) -> int:
        """Replace the file.

        Args:
            header: what the state was made for.
            arrays: the state, by name.

        Returns:
            The file's size in bytes.

        Raises:
            StateError: the file cannot be written; the file before it stays.
        """
        text = np.frombuffer(json.dumps(asdict(header)).encode(), dtype=np.uint8)
        members: dict[str, Any] = {_HEADER: text, **arrays}
        temporary: Path | None = None
        try:
            handle, name = tempfile.mkstemp(dir=self.path.parent, prefix=f".{self.path.name}-")
            temporary = Path(name)
            with os.fdopen(handle, "wb") as file:
                np.savez(file, **members)
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

    def read(self, wanted: StateHeader) -> tuple[StateHeader, dict[str, AnyArray]] | None:
        """Return the state, if it was made for the same pipeline and rules.

        Args:
            wanted: what the state must have been made for; its `model` and `written_ns` do not matter.

        Returns:
            The file's own header and the arrays by name; None without a file.

        Raises:
            StateError: the file is damaged, cannot be read, or was made for something else.
        """
        try:
            with np.load(self.path, allow_pickle=False) as archive:
                header = _header(archive[_HEADER].tobytes())
                different = wanted.differences(header)
                if different:
                    raise StateError(
                        f"the state {self.path} was made for something else ({'; '.join(different)}): "
                        "the pipeline starts without a memory, and the file is replaced"
                    )
                return header, {name: archive[name] for name in archive.files if name != _HEADER}
        except FileNotFoundError:
            return None
        except (OSError, EOFError, KeyError, TypeError, ValueError, zipfile.BadZipFile) as error:
            raise StateError(
                f"the state {self.path} is damaged ({error}): the pipeline starts without a memory, and a catch-up "
                "completes what is not scored"
            ) from error


def _header(text: bytes) -> StateHeader:
    content: dict[str, Any] = json.loads(text)
    # A later layout may say more; it is refused by its number.
    known = {name: content[name] for name in StateHeader.__dataclass_fields__}
    return StateHeader(**known)
