"""plugins/filter/users.py: who runs Ansible, and whether the inventory of one machine lets it escalate."""

from __future__ import annotations

import os

import pytest
import yaml
from ansible.parsing.dataloader import DataLoader
from ansible.template import Templar, trust_as_template
from ansible_collections.influx_anomaly.stack.plugins.filter.users import is_another_user

from tests.ansible.rendering import ROOT

NOBODY, ROOTS = 65534, 0


@pytest.mark.parametrize(("user", "escalates"), [(ROOTS, False), (NOBODY, True)])
def test_the_inventory_of_one_machine_escalates_unless_root_runs_it(
    monkeypatch: pytest.MonkeyPatch, user: int, escalates: bool
) -> None:
    inventory = yaml.safe_load((ROOT / "inventory/local/hosts.yml").read_text())
    become = inventory["all"]["hosts"]["localhost"]["ansible_become"]
    monkeypatch.setattr(os, "geteuid", lambda: user)

    assert Templar(loader=DataLoader()).template(trust_as_template(become)) is escalates


def test_a_user_who_does_not_exist_is_another_one() -> None:
    assert is_another_user("no-such-user-here")
