"""bench.catchup, as far as it goes without an InfluxDB."""

import pytest
from rich.console import Console

from bench.catchup.__main__ import LEAST_POINTS_PER_PROCESSOR_S, PLAIN, main, print_report, report
from bench.catchup.measure import CatchUpFigures


def figures(processor_s: float) -> CatchUpFigures:
    return CatchUpFigures(400_000, 40_000, wall_s=20.0, processor_s=processor_s, idle_processor_s=1.0, influxd_s=5.0)


def test_a_run_with_nothing_to_do_is_not_counted() -> None:
    assert figures(3.0).points_per_processor_s == 200_000
    assert figures(3.0).points_per_s == 20_000


def test_detectors_are_compared_with_plain_scoring() -> None:
    rows = report({PLAIN: figures(3.0), "ensemble": figures(5.0)})
    assert [rows[name]["by_plain"] for name in rows] == [1.0, 2.0]
    assert report({"ensemble": figures(5.0)})["ensemble"]["by_plain"] is None


@pytest.mark.parametrize(("processor_s", "verdict"), [(3.0, "reached"), (3.01, "missed")])
def test_the_target_is_told(processor_s: float, verdict: str) -> None:
    console = Console(width=140, record=True)
    print_report(console, report({PLAIN: figures(processor_s)}))
    text = console.export_text()
    assert verdict in text
    assert f"{LEAST_POINTS_PER_PROCESSOR_S:,} wanted" in text


def test_a_number_of_hours_that_is_none_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as exit_:
        main(["--hours=0"])
    assert exit_.value.code == 2
    assert "'0' is not a number of hours. Fix: 1 or more" in capsys.readouterr().err
