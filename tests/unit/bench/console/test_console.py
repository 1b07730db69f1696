"""bench.console, as far as it goes without an InfluxDB."""

import os

import pytest
from rich.console import Console

from bench.console.__main__ import main, print_report, report
from bench.console.measure import Look, make_pipeline, most_memory_bytes, scores

END_NS = 1_704_067_200_000_000_000


def seen(wall_s: float, memory_bytes: int = 80_000_000) -> Look:
    return Look(wall_s, 0.2, 0.4, again_s=0.01, search_s=0.03, memory_bytes=memory_bytes)


def shown(*looks: Look) -> str:
    console = Console(width=120, record=True)
    print_report(console, {"series": 10_000, "windows": 58, **report(looks)})
    return console.export_text()


def test_each_series_has_a_score_of_each_window() -> None:
    lines = list(scores(3, 2, END_NS))

    assert len(lines) == len({text.partition(" ")[0] for text in lines}) * 2 == 6
    assert {int(text.rpartition(" ")[2]) for text in lines} == {
        END_NS - make_pipeline().window_ns,
        END_NS - 2 * make_pipeline().window_ns,
    }


def test_the_median_look_counts_and_the_most_memory() -> None:
    found = report([seen(0.5), seen(3.0, 90_000_000), seen(0.7)])
    assert (found["wall_s"], found["memory_bytes"]) == (0.7, 90_000_000)


@pytest.mark.parametrize(
    ("look", "verdicts"),
    [
        (seen(0.99), ["reached", "reached"]),
        (seen(1.0), ["missed", "reached"]),
        (seen(0.5, 150_000_000), ["reached", "missed"]),
    ],
)
def test_the_targets_are_told(look: Look, verdicts: list[str]) -> None:
    said = [line.rpartition(": ")[2].strip() for line in shown(look).splitlines() if ": " in line]
    assert said == verdicts


def test_the_most_memory_of_a_process_is_read() -> None:
    assert most_memory_bytes(os.getpid()) > 10_000_000


def test_a_number_of_series_that_is_none_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as exit_:
        main(["--series=0"])
    assert exit_.value.code == 2
    assert "'0' is not a number of series. Fix: 1 or more" in capsys.readouterr().err
