"""The command line, as far as it goes without a kapacitord."""

import pytest

from bench.udf.cli import main
from bench.udf.prepare import version_numbers


def test_an_unknown_row_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as exit_:
        main(["--rows", "echo,ecco"])
    assert exit_.value.code == 2
    assert "'ecco' is not a row. Fix: some of none,go_echo," in capsys.readouterr().err


@pytest.mark.parametrize(
    ("text", "numbers"), [("go1.26.8", (1, 26, 8)), ("1.25", (1, 25)), ("go1.27rc1", (1, 27, 1)), ("", ())]
)
def test_versions_are_compared_as_numbers(text: str, numbers: tuple[int, ...]) -> None:
    assert version_numbers(text) == numbers
