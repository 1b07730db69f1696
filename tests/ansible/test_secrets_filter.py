"""Secrets that are none are refused, by name and without being shown."""

from __future__ import annotations

import pytest
from ansible_collections.influx_anomaly.stack.plugins.plugin_utils.secret_rules import secrets_problems

NAMES = ["influxdb_admin_password", "grafana_admin_password"]
GOOD = {"influxdb_admin_password": "q7Ww2kLm0PzX", "grafana_admin_password": "n3Rt8vYb5CdE"}


def test_random_secrets_pass() -> None:
    assert secrets_problems(GOOD, NAMES, "/secrets") == []


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ("", "is empty"),
        ("   ", "is empty"),
        ("admin", "default"),
        ("Change-Me!", "default"),
        ("changeme123", "default"),
        ("grafana_admin_password", "default"),
        ("my-super-secret-1", "default"),
        ("<your password>", "placeholder"),
        ("{{ vault }}", "placeholder"),
        ("aaaaaaaaaaaa", "placeholder"),
        ("s3cR7", "5 characters, which is fewer than 8"),
        ("two words here", "white space"),
        ("line\nbreak-in-it", "white space"),
        ("x7" * 40, "placeholder"),
        ("x7Q" * 40, "120 bytes, which is more than 72"),
        (None, "not a string"),
        (12345678, "not a string"),
    ],
)
def test_unfit_secrets_are_named_and_not_shown(value: object, said: str) -> None:
    (problem,) = secrets_problems({**GOOD, "grafana_admin_password": value}, NAMES, "/secrets")
    assert problem.startswith("grafana_admin_password ")
    assert said in problem
    assert "Fix: " in problem and "/secrets/grafana_admin_password" in problem
    if isinstance(value, str) and value.strip():
        assert value not in problem.replace("grafana_admin_password", "")


def test_a_missing_secret_is_told_unless_secrets_may_be_missing() -> None:
    one = {"influxdb_admin_password": GOOD["influxdb_admin_password"]}
    assert len(secrets_problems(one, NAMES, "/secrets")) == 1
    assert secrets_problems(one, NAMES, "/secrets", partial=True) == []


def test_unknown_names_are_told_with_the_known_ones() -> None:
    (problem,) = secrets_problems({**GOOD, "grafana_password": "q7Ww2kLm0PzX"}, NAMES, "/secrets", partial=True)
    assert "grafana_password is not a secret of a stack" in problem
    assert "grafana_admin_password" in problem
