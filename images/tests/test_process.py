"""Long commands say what they do, and on failure what they said last."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from images.driver import process
from images.driver.process import Failed, last_step, run_logged, stop_running


def test_everything_is_in_the_log(tmp_path: Path) -> None:
    log = tmp_path / "x.log"
    run_logged("thing", ["sh", "-c", "cat; echo bad >&2"], log, input=b"good\n")
    assert log.read_text() == "good\nbad\n"


def test_a_failure_shows_the_end_of_the_log(tmp_path: Path) -> None:
    with pytest.raises(Failed) as failure:
        run_logged("thing", ["sh", "-c", "seq 100; exit 3"], tmp_path / "x.log")
    lines = str(failure.value).splitlines()
    assert "thing failed with exit code 3" in lines[0]
    assert [line.strip() for line in lines[1:]] == [str(number) for number in range(71, 101)]


def test_it_tells_that_it_is_alive(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(process, "EVERY_SECONDS", 0.1)
    log = tmp_path / "x.log"
    run_logged("thing", ["sh", "-c", "echo 'Step 2/3 : RUN sleep'; sleep 0.5"], log)
    assert f"thing: 0:00  Step 2/3 : RUN sleep  ({log})" in capsys.readouterr().err


@pytest.mark.parametrize("line", ["Step 1/2 : FROM x", "#7 [build 2/4] RUN make", "I: Extracting apt..."])
def test_steps_of_all_builders_are_known(tmp_path: Path, line: str) -> None:
    log = tmp_path / "x.log"
    log.write_text(f"noise\n{line}\nnoise\n")
    assert last_step(log) == line


def test_stopping_ends_the_children_too(tmp_path: Path) -> None:
    timer = threading.Timer(0.5, stop_running)
    timer.start()
    with pytest.raises(Failed, match="exit code -15"):
        run_logged("thing", ["sh", "-c", "sleep 60 & wait"], tmp_path / "x.log")
    timer.join()
