"""The Numenta Anomaly Benchmark's files: series, labelled windows, and results in NAB's own layout.

The corpus is a directory with `data/<category>/<file>.csv` and `labels/combined_windows.json`, such as a checkout of
numenta/NAB.
"""

import csv
import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from anomaly.windows.arrays import Floats

# Source: numenta/NAB, nab/util.py, getProbationPeriod.
_PROBATION = 0.15
_LONGEST_PROBATION = 750


class CorpusError(Exception):
    """The corpus is not where it was said to be, or is not whole."""


@dataclass(frozen=True)
class Series:
    """One file.

    Attributes:
        name: `category/file.csv`.
        stamps: its n timestamps as written.
        times: the timestamps taken as UTC, shape (n,), seconds since 1970.
        values: shape (n,).
        windows: first and last index of each labelled anomaly, both inclusive.
    """

    name: str
    stamps: tuple[str, ...]
    times: NDArray[np.int64]
    values: Floats
    windows: tuple[tuple[int, int], ...]

    def __len__(self) -> int:
        return len(self.values)

    @property
    def probation(self) -> int:
        """How many points at the begin are for learning, and are not scored."""
        return min(int(_PROBATION * len(self)), _LONGEST_PROBATION)

    @property
    def labels(self) -> NDArray[np.intp]:
        """Labels of the points, shape (n,): 1 inside of a window, else 0."""
        labels = np.zeros(len(self), dtype=np.intp)
        for first, last in self.windows:
            labels[first : last + 1] = 1
        return labels


def read_corpus(directory: Path) -> list[Series]:
    """Read all series.

    Args:
        directory: the corpus.

    Returns:
        The series in the order of their names.

    Raises:
        CorpusError: a file is missing.
    """
    path = directory / "labels" / "combined_windows.json"
    try:
        windows = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise CorpusError(
            f"{path} cannot be read ({error.strerror}): name a checkout of numenta/NAB, or a directory with its data "
            "and labels, as NAB=..."
        ) from error
    return [_read_series(directory / "data" / name, name, windows[name]) for name in sorted(windows)]


def _read_series(path: Path, name: str, windows: Sequence[Sequence[str]]) -> Series:
    try:
        with path.open(newline="", encoding="utf-8") as file:
            rows = list(csv.reader(file))[1:]
    except OSError as error:
        raise CorpusError(f"{path} cannot be read ({error.strerror}): the corpus is not whole") from error
    stamps = tuple(row[0] for row in rows)
    seconds = [int(datetime.fromisoformat(stamp).replace(tzinfo=UTC).timestamp()) for stamp in stamps]
    # Some stamps come twice where summer time ends: NAB takes the first.
    first = {stamp: index for index, stamp in reversed(list(enumerate(stamps)))}
    return Series(
        name,
        stamps,
        np.array(seconds, dtype=np.int64),
        np.array([float(row[1]) for row in rows]),
        tuple((first[begin[:19]], first[end[:19]]) for begin, end in windows),
    )


def write_results(directory: Path, detector: str, series: Series, scores: Floats) -> None:
    """Write scores as NAB's own scorer reads them.

    Args:
        directory: NAB's folder of results.
        detector: the detector's name.
        series: n points.
        scores: shape (n,), 0 to 1.
    """
    category, file = series.name.split("/")
    path = directory / detector / category / f"{detector}_{file}"
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="", encoding="utf-8") as output:
        writer = csv.writer(output, lineterminator="\n")
        writer.writerow(["timestamp", "value", "anomaly_score", "label"])
        writer.writerows(
            zip(series.stamps, series.values.tolist(), scores.tolist(), series.labels.tolist(), strict=True)
        )


def read_results(directory: Path, detector: str, series: Series) -> Floats:
    """Read scores that `write_results` wrote, or that NAB ships.

    Args:
        directory: NAB's folder of results.
        detector: the detector's name.
        series: n points.

    Returns:
        Scores, shape (n,).

    Raises:
        CorpusError: there are no scores, or they belong to another version of the corpus.
    """
    category, file = series.name.split("/")
    path = directory / detector / category / f"{detector}_{file}"
    try:
        with path.open(newline="", encoding="utf-8") as output:
            rows = csv.DictReader(output)
            scores = np.array([float(row["anomaly_score"]) for row in rows])
    except OSError as error:
        raise CorpusError(f"{path} cannot be read ({error.strerror}): {detector} has no results there") from error
    if len(scores) != len(series):
        raise CorpusError(f"{path} has {len(scores)} rows, {series.name} has {len(series)}: it is of another version")
    return scores
