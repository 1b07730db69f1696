"""The user's own dashboards: what is wrong with a file is told before anything is touched."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from ansible.errors import AnsibleFilterError
from ansible_collections.influx_anomaly.stack.plugins.filter.dashboards import from_folder

from tests.ansible.inventories import inventory
from tests.ansible.test_preflight_inventory import problems

MINE: dict[str, Any] = {"id": 7, "uid": "mine", "title": "Mine", "panels": []}


def checked(root: Path, **files: Any) -> list[str]:
    """The problems of an inventory whose folder of dashboards holds these files."""
    (root / "grafana").mkdir()
    for name, content in files.items():
        text = content if isinstance(content, str) else json.dumps(content)
        (root / "grafana" / f"{name}.json").write_text(text)
    return problems(inventory(each={"grafana_dashboards_dir": "grafana"}), root=root)


def test_a_dashboard_is_provisioned_without_its_number(tmp_path: Path) -> None:
    assert checked(tmp_path, mine=MINE) == []
    assert from_folder(str(tmp_path / "grafana")) == {"_own_mine.json": {**MINE, "id": None}}


def test_there_need_be_no_folder(tmp_path: Path) -> None:
    assert problems(inventory(each={"grafana_dashboards_dir": "none"}), root=tmp_path) == []
    assert from_folder(str(tmp_path / "none")) == {}


@pytest.mark.parametrize(
    ("content", "wrong", "fix"),
    [
        ("{", "cannot be read as JSON", "export the dashboard from Grafana again"),
        ([], "is not a dashboard", "export a dashboard as JSON"),
        ({**MINE, "uid": ""}, "has no uid", 'add "uid"'),
        ({"uid": "mine", "panels": []}, "has no title", 'add "title"'),
        ({**MINE, "uid": "anomaly-1"}, 'has the uid "anomaly-1", which belongs to the stack', "another uid"),
    ],
)
def test_what_is_wrong_names_the_file_and_the_fix(tmp_path: Path, content: Any, wrong: str, fix: str) -> None:
    (problem,) = checked(tmp_path, bad=content)
    assert f"grafana_dashboards_dir = {tmp_path}/grafana/bad.json" in problem
    assert wrong in problem
    assert fix in problem.split(". Fix: ")[1]
    with pytest.raises(AnsibleFilterError, match=r"bad\.json .*Fix: "):
        from_folder(str(tmp_path / "grafana"))


def test_two_dashboards_of_one_uid_are_refused(tmp_path: Path) -> None:
    (problem,) = checked(tmp_path, one=MINE, two=MINE)
    assert 'two.json: has the uid "mine", which one.json has, too' in problem
