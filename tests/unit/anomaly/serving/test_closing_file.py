"""The file of closings: what was closed last is read again, whatever else is in the file."""

import os
from pathlib import Path

import numpy as np
import pytest

from anomaly.serving import closing_file
from anomaly.serving.closing_file import ClosingFile, sign
from anomaly.windows.arrays import NEVER

A, B, C = (sign((name,)) for name in "abc")
LATEST_NS = 10_000


def written(folder: Path) -> ClosingFile:
    """A file in which series a is closed up to 300, and series b up to 150."""
    file = ClosingFile(folder, "printer")
    file.rewrite(np.array([A, B], dtype=np.uint64), np.array([100, 150]))
    file.append(np.array([A], dtype=np.uint64), np.array([300]))
    file.append(np.array([A], dtype=np.uint64), np.array([200]))
    return file


def test_the_last_closing_of_each_series_is_read(tmp_path: Path) -> None:
    written(tmp_path)
    assert ClosingFile(tmp_path, "printer").read([C, B, A], LATEST_NS).tolist() == [NEVER, 150, 300]


def test_nothing_is_known_without_a_file_or_a_series(tmp_path: Path) -> None:
    assert ClosingFile(tmp_path, "printer").read([A], LATEST_NS).tolist() == [NEVER]
    written(tmp_path)
    assert ClosingFile(tmp_path, "printer").read([], LATEST_NS).tolist() == []


def test_a_record_that_is_cut_off_changed_or_empty_says_nothing(tmp_path: Path) -> None:
    path = written(tmp_path).path
    content = bytearray(path.read_bytes())
    content[2 * 24 + 9] ^= 0xFF
    path.write_bytes(bytes(content) + bytes(24) + b"cut off")
    assert ClosingFile(tmp_path, "printer").read([A, B], LATEST_NS).tolist() == [200, 150]


def test_a_closing_of_a_later_time_than_now_says_nothing(tmp_path: Path) -> None:
    written(tmp_path)
    assert ClosingFile(tmp_path, "printer").read([A, B], 250).tolist() == [200, 150]


def test_a_process_writes_the_file_anew_first_and_when_most_of_it_is_old(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(closing_file, "_LEAST_RECORDS", 3)
    file = ClosingFile(tmp_path, "printer")
    assert file.is_long(2)
    file.rewrite(np.array([A, B], dtype=np.uint64), np.array([100, 150]))
    assert not file.is_long(0)
    file.append(np.array([A, B], dtype=np.uint64), np.array([200, 250]))
    assert file.is_long(0)
    assert not file.is_long(1)
    file.rewrite(np.array([A, B], dtype=np.uint64), np.array([200, 250]))
    assert file.path.stat().st_size == 2 * 24
    file.end()
    assert file.is_long(2)


def test_a_file_that_cannot_be_replaced_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = written(tmp_path)

    def refuse(path: Path, target: Path) -> Path:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "replace", refuse)
    with pytest.raises(OSError, match="No space"):
        file.rewrite(np.array([A], dtype=np.uint64), np.array([900]))
    assert file.read([A], LATEST_NS).tolist() == [300]
    assert [path.name for path in tmp_path.iterdir()] == ["printer.closed"]


def test_series_have_different_signs_which_are_never_nothing() -> None:
    keys = [("a", "b"), ("ab",), ("a", "b", ""), ("b", "a"), ()]
    assert len({sign(key) for key in keys} - {0}) == len(keys)


def test_a_closing_of_this_moment_counts(tmp_path: Path) -> None:
    written(tmp_path)
    file = ClosingFile(tmp_path, "printer")
    assert [file.read([A], latest_ns).tolist() for latest_ns in (300, 299)] == [[300], [200]]


def test_each_series_is_found_alone_whatever_other_series_the_file_has(tmp_path: Path) -> None:
    written(tmp_path)
    file = ClosingFile(tmp_path, "printer")
    assert [file.read([one], LATEST_NS).tolist() for one in (A, B, C)] == [[300], [150], [NEVER]]


def test_a_file_is_long_beyond_eight_records_a_series(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(closing_file, "_LEAST_RECORDS", 3)
    file = ClosingFile(tmp_path, "printer")
    file.rewrite(np.array([A] * 3, dtype=np.uint64), np.arange(3))
    at_least = file.is_long(0)
    file.append(np.array([A] * 13, dtype=np.uint64), np.arange(13))
    sixteen = file.is_long(2)
    file.append(np.array([A], dtype=np.uint64), np.arange(1))
    assert (at_least, sixteen, file.is_long(2)) == (False, False, True)


def test_what_a_disk_takes_in_parts_is_written_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write = os.write
    monkeypatch.setattr("anomaly.serving.closing_file.os.write", lambda handle, content: write(handle, content[:7]))
    written(tmp_path)
    assert ClosingFile(tmp_path, "printer").read([B, A], LATEST_NS).tolist() == [150, 300]


def test_nothing_is_appended_before_the_file_was_written_anew(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="append before rewrite"):
        ClosingFile(tmp_path, "printer").append(np.array([A], dtype=np.uint64), np.array([1]))
