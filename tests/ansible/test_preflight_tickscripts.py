"""Custom TICKscripts that are missing or do not fit a pipeline are told before anything is touched."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.ansible.inventories import PIPELINE, inventory
from tests.ansible.test_preflight_inventory import problems

SCRIPT = """\
var window duration
stream|from()@anomaly().spec(specification)
    |alert().topic('mine')
"""


def checked(root: Path, script: str | None, **more: Any) -> list[str]:
    """The problems of an inventory whose pipeline names a script of the repository."""
    (root / "tickscripts").mkdir()
    if script is not None:
        (root / "tickscripts" / "mine.tick").write_text(script)
    each = {
        "pipelines": [{**PIPELINE, "tickscript": "mine.tick"}],
        "pipelines_tickscripts_dir": "tickscripts",
        **more,
    }
    return problems(inventory(each=each), root=root)


def test_a_script_that_fits_is_in_order(tmp_path: Path) -> None:
    assert checked(tmp_path, SCRIPT) == []


def test_the_folder_can_be_elsewhere(tmp_path: Path) -> None:
    (tmp_path / "own").mkdir()
    (tmp_path / "own" / "mine.tick").write_text(SCRIPT)
    assert checked(tmp_path, None, pipelines_tickscripts_dir="own") == []


@pytest.mark.parametrize(
    ("script", "wrong", "fix"),
    [
        (None, "is not there", "write the TICKscript "),
        (SCRIPT.replace("@anomaly", "@anomly"), "does not call the UDF", "add @anomaly().spec(specification)"),
        (SCRIPT.replace("from()", "from()|window()"), "hands the UDF windows", "remove |window() before @anomaly()"),
        (SCRIPT.replace("window duration", "windows duration"), "declares the var windows", "rename it to window"),
        (SCRIPT.replace("window duration", "window int"), "declares window as int", "write `var window duration`"),
    ],
)
def test_what_is_wrong_names_the_pipeline_and_the_fix(tmp_path: Path, script: str, wrong: str, fix: str) -> None:
    (problem,) = checked(tmp_path, script)
    assert f'pipelines[0] "{PIPELINE["name"]}": tickscript = mine.tick' in problem
    assert wrong in problem
    assert fix in problem.split(". Fix: ")[1]


def test_a_handler_may_listen_to_the_topic_of_a_custom_script(tmp_path: Path) -> None:
    handler = {"id": "web", "kind": "post", "options": {"url": "http://hook.example/"}, "topic": "mine"}
    assert checked(tmp_path, SCRIPT, kapacitor_alert_handlers=[handler]) == []
