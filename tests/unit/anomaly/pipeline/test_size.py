"""Sizes in bytes."""

import pytest

from anomaly.pipeline.size import SizeError, format_size, parse_size


@pytest.mark.parametrize(("text", "size"), [("0KiB", 0), ("1KiB", 1024), ("256MiB", 2**28), ("3GiB", 3 * 2**30)])
def test_a_size_is_read_and_written(text: str, size: int) -> None:
    assert parse_size(text) == size
    assert format_size(size) == text


@pytest.mark.parametrize("text", ["", "1", "MiB", "1 MiB", "-1MiB", "1MB", "1.5GiB", "1MiB\n"])
def test_what_is_not_a_size_is_refused(text: str) -> None:
    with pytest.raises(SizeError, match="is not a size: write an integer and one of KiB, MiB, GiB, such as 256MiB"):
        parse_size(text)


def test_a_size_is_not_rounded() -> None:
    with pytest.raises(SizeError, match="1025 bytes are not a multiple of 1KiB"):
        format_size(1025)
