"""Reading NAB's files, and writing results as NAB's own scorer reads them."""

import json
from pathlib import Path

import numpy as np
import pytest

from bench.nab.corpus import CorpusError, read_corpus, read_results, write_results

STAMPS = [f"2014-10-26 0{hour}:{minute:02}:00" for hour in range(3) for minute in (0, 30)]


@pytest.fixture
def nab(tmp_path: Path) -> Path:
    (tmp_path / "labels").mkdir()
    (tmp_path / "data" / "real").mkdir(parents=True)
    # Summer time ends: an hour comes twice.
    stamps = [*STAMPS[:4], *STAMPS[2:]]
    rows = "".join(f"{stamp},{value}\n" for value, stamp in enumerate(stamps))
    (tmp_path / "data" / "real" / "clock.csv").write_text("timestamp,value\n" + rows)
    windows = {"real/clock.csv": [["2014-10-26 00:30:00.000000", "2014-10-26 01:30:00.000000"]]}
    (tmp_path / "labels" / "combined_windows.json").write_text(json.dumps(windows))
    return tmp_path


def test_windows_are_indexes_of_the_first_of_equal_stamps(nab: Path) -> None:
    (series,) = read_corpus(nab)
    assert (series.name, len(series), series.windows) == ("real/clock.csv", 8, ((1, 3),))
    assert series.labels.tolist() == [0, 1, 1, 1, 0, 0, 0, 0]
    assert series.values.tolist() == list(range(8))
    assert np.diff(series.times).tolist() == [1800, 1800, 1800, -1800, 1800, 1800, 1800]


def test_results_are_in_nabs_layout(nab: Path) -> None:
    (series,) = read_corpus(nab)
    scores = np.linspace(0, 1, 8)
    write_results(nab / "results", "mine", series, scores)
    text = (nab / "results" / "mine" / "real" / "mine_clock.csv").read_text().splitlines()
    assert text[:3] == ["timestamp,value,anomaly_score,label", "2014-10-26 00:00:00,0.0,0.0,0",
                        f"2014-10-26 00:30:00,1.0,{scores[1]},1"]  # fmt: skip
    np.testing.assert_array_equal(read_results(nab / "results", "mine", series), scores)


def test_what_is_not_there_is_named(nab: Path) -> None:
    (series,) = read_corpus(nab)
    with pytest.raises(CorpusError, match=r"none/labels/combined_windows.json cannot be read .*name a checkout"):
        read_corpus(nab / "none")
    with pytest.raises(CorpusError, match="other has no results there"):
        read_results(nab / "results", "other", series)
    (nab / "data" / "real" / "clock.csv").unlink()
    with pytest.raises(CorpusError, match=r"clock.csv cannot be read"):
        read_corpus(nab)
