"""Each mistake in an inventory gets its message: the variable, its value, and the fix; all of them at once."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from ansible_collections.influx_anomaly.stack.plugins.plugin_utils.preflight import values
from ansible_collections.influx_anomaly.stack.plugins.plugin_utils.preflight.checks import inventory_problems
from ansible_collections.influx_anomaly.stack.plugins.plugin_utils.preflight.inventory import Inventory

from anomaly import pipeline as specification
from anomaly.influxdb import retention
from tests.ansible.inventories import FOUR, ONE, OPTIONS, PIPELINE, ROLES, inventory

ROLE_NAMES = [path.name for path in ROLES.iterdir()]


def pipeline_problems(pipelines: object) -> list[str]:
    try:
        specification.normalize(pipelines)
    except specification.SpecError as error:
        return error.problems
    return []


def problems(checked: Inventory, base: Path = ROLES, root: Path = ROLES.parent) -> list[str]:
    return inventory_problems(checked, OPTIONS, ROLE_NAMES, pipeline_problems, base, root)


def the_problem(checked: Inventory) -> str:
    """The only problem."""
    found = problems(checked)
    assert len(found) == 1, found
    return found[0]


def reachable_four(**own: Any) -> Inventory:
    return inventory(FOUR, each={"stack_bind_address": "192.0.2.1"}, **own)


def test_the_default_inventory_is_in_order() -> None:
    assert problems(inventory()) == []


def test_several_hosts_are_in_order() -> None:
    assert problems(reachable_four()) == []


@pytest.mark.parametrize(
    ("name", "value", "wrong", "fix"),
    [
        ("influxdb_prot", 8086, "no role knows this variable", "did you mean influxdb_port?"),
        # A slip in the prefix counts, too.
        ("infuxdb_port", 8086, "no role knows this variable", "did you mean influxdb_port?"),
        ("pipeline", [], "no role knows this variable", "did you mean pipelines?"),
        ("grafana_zzzzzzzzzz", 1, "no role knows this variable", "preflight_ignored_variables"),
        ("influxdb_port", "http", "is not a whole number", "the default 8086"),
        ("influxdb_port", 70000, "is not a port", "from 1 to 65535"),
        ("influxdb_port", 0, "is not a port", "from 1 to 65535"),
        ("influxdb_port", None, "is empty", "the default 8086"),
        ("influxdb_enabled", "perhaps", "is not true or false", "write true or false"),
        ("pipelines", "printer", "is not a list", "write a list"),
        ("images_digests", ["x"], "is not a mapping", "write a mapping"),
        ("image_source", "bulid", "is none of auto, pull, build, archive", "did you mean build?"),
        ("stack_name", "My Stack", "cannot name containers", "lower-case letters"),
        ("stack_name", "a" * 31, "cannot name containers", "at most 30"),
        ("stack_name", "-x", "cannot name containers", "beginning with a letter"),
        ("stack_dir", "srv/x", "is not a folder that a stack may have", "absolute path"),
        ("stack_dir", "/srv", "is not a folder that a stack may have", "at least two levels"),
        ("stack_dir", "/srv/x/../..", "is not a folder that a stack may have", "absolute path"),
        ("stack_bind_address", "eth0", "is not an IP address", "127.0.0.1"),
        ("stack_bind_address", "::1", "is an IPv6 address, and the stack's network and ports are IPv4", "127.0.0.1"),
        ("stack_bind_address", "::", "is an IPv6 address", "pass ufw and firewalld by"),
        ("stack_bind_address", "[::1]", "is an IPv6 address", "127.0.0.1"),
        (
            "stack_network_subnet",
            "10.0.0.1/24",
            "is not an IPv4 network (10.0.0.1/24 has host bits set)",
            "10.213.7.0/24",
        ),
        ("stack_network_subnet", "fd00::/64", "is not an IPv4 network", "10.213.7.0/24"),
        ("stack_network_subnet", "10.0.0.0/29", "has too few addresses", "10.213.7.0/24"),
        ("influxdb_memory", "1 gig", "is not a size of memory", "such as 512m or 2g"),
        ("stack_tls_renew_days", 397, "is not between 0 and stack_tls_days (397)", "such as 30"),
        ("stack_tls_renew_days", 0, "is not between 0 and stack_tls_days (397)", "such as 30"),
        ("stack_tls_names", ["https://grafana.example"], "neither a host name nor an IP address", "without scheme"),
        ("console_names", ["https://console.example"], "neither a host name nor an IP address", "without scheme"),
        ("console_operator_username", "viewer", "is the name of the viewer, too", "another name"),
        (
            "chronograf_admin_username",
            "a:b",
            "is not a name that Chronograf's password file",
            "a name without a colon",
        ),
        ("chronograf_admin_username", "#admin", "is not a name that Chronograf's password file", "a # at its begin"),
        ("chronograf_admin_username", "admin ", "is not a name that Chronograf's password file", "white space"),
        ("console_port", 9092, "kapacitor_port is the same", "its own port"),
        ("keeper_score_days", 13, "is less than 14 days", "0 to keep scores for ever"),
        ("keeper_score_days", -1, "is less than 14 days", "0 to keep scores for ever"),
        ("keeper_tell_after_seconds", -1, "is less than 0 seconds", "such as the default 60"),
        ("keeper_tell_back_after_seconds", -5, "is less than 0 seconds", "such as the default 90"),
        ("keeper_memory", "lots", "is not a size of memory", "such as 512m or 2g"),
        ("influxdb_version", "latest", "is not an exact version", "three numbers"),
        ("influxdb_version", "1.12", "is not an exact version", "three numbers"),
        ("influxdb_version", "2.7.1", "is not a 1.x version", "1.x"),
        ("influxdb_version", "1.7.9", "is too old", "1.8.10"),
        ("kapacitor_version", "1.5.9", "is too old", "1.8.6"),
        ("image_registry", "https://mirror.example", "is not a registry", "without https://"),
        ("images_digests", {"influxdb": "1.12.4"}, "is not a digest", "sha256:"),
        ("results_database", "_internal", "is not a database to write to", "anomaly"),
        ("results_database", "printer", "is also the source of pipelines[0]", "another name"),
    ],
)
def test_a_wrong_variable(name: str, value: Any, wrong: str, fix: str) -> None:
    message = next(line for line in problems(inventory(each={name: value})) if line.startswith(name))
    before, after = message.split(". Fix: ")
    assert wrong in before
    assert fix in after


def test_the_least_days_are_those_of_the_program() -> None:
    assert values.LEAST_SCORE_DAYS == retention.LEAST_DAYS


def test_a_wrong_value_is_shown() -> None:
    assert the_problem(inventory(each={"influxdb_port": "http"})).startswith("influxdb_port = http: ")


def test_a_wrong_type_is_not_told_twice() -> None:
    # "http" is not a port either.
    assert len(problems(inventory(each={"grafana_port": "http"}))) == 1


def test_other_variables_of_an_inventory_are_left_alone() -> None:
    assert problems(inventory(each={"nginx_port": 80, "ansible_user": "me", "__grafana_x": 1, "site": "north"})) == []


def test_a_variable_can_be_excused() -> None:
    assert problems(inventory(each={"docker_users": ["me"], "preflight_ignored_variables": ["docker_users"]})) == []


def test_ports_of_one_host_differ() -> None:
    message = the_problem(inventory(each={"grafana_port": 8086}))
    assert message == "grafana_port = 8086: influxdb_port is the same. Fix: give each service of a host its own port"


def test_ports_of_different_hosts_may_be_equal() -> None:
    assert problems(reachable_four(graf1={"grafana_port": 8086})) == []


# Secrets


@pytest.mark.parametrize(
    ("password", "wrong"),
    [
        # How it is called is the judge's affair (test_secrets_filter.py).
        ("admin", " is a "),
        ("CHANGE_ME!", " is a "),
        ("12345678", " is a "),
        ("<your password here>", " is a "),
        ("${GRAFANA_PW}", " is a "),
        ("   ", "is empty"),
        ("", "is empty"),
        ("k3x9", "fewer than 8"),
    ],
)
def test_a_weak_secret_is_refused_and_not_shown(password: str, wrong: str) -> None:
    message = the_problem(inventory(each={"secrets_given": {"grafana_admin_password": password}}))
    assert message.startswith("secrets_given.grafana_admin_password = (hidden): ")
    assert wrong in message
    assert "Fix: remove it, and one is generated" in message
    # Neither as it is nor in part.
    assert password.strip() == "" or password not in message.replace("grafana_admin_password", "").replace(
        "well-known password", ""
    )


def test_a_random_secret_passes() -> None:
    assert problems(inventory(each={"secrets_given": {"grafana_admin_password": "b7c1e09d54"}})) == []


def test_secrets_of_a_wrong_type_are_refused() -> None:
    assert the_problem(inventory(each={"secrets_given": "b7c1e09d54"})).startswith(
        "secrets_given = (hidden): is not a map"
    )


def test_a_weak_secret_inside_of_a_list_is_refused() -> None:
    users = [{"name": "reader", "password": "changeme"}]
    message = the_problem(inventory(each={"influxdb_users": users}))
    assert message.startswith("influxdb_users[0].password = (hidden): ")
    assert "changeme" not in message


@pytest.mark.parametrize(
    ("password", "allowed"), [("changeme", False), ("<token>", False), ("t0k", True), ("{" * 3 + "a b" * 99, True)]
)
def test_a_registrys_password_may_be_short(password: str, allowed: bool) -> None:
    given = {"image_registry_username": "me", "image_registry_password": password}
    found = problems(inventory(each=given))
    assert (found == []) is allowed, found
    assert all(line.startswith("image_registry_password = (hidden): ") for line in found)


def test_registry_credentials_come_in_pairs() -> None:
    assert the_problem(inventory(each={"image_registry_username": "me"})).startswith('image_registry_password = ""')
    assert the_problem(inventory(each={"image_registry_password": "b7c1e09d54"})).startswith(
        'image_registry_username = ""'
    )


def test_archives_need_a_folder() -> None:
    assert the_problem(inventory(each={"image_source": "archive"})).startswith('image_archive_dir = "": is empty')


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    (tmp_path / "influxdb.tar").write_bytes(b"image")
    (tmp_path / "images.json").write_text("{}", encoding="utf-8")
    (tmp_path / "SHA256SUMS").write_text("0  influxdb.tar\n0 *images.json\n", encoding="utf-8")
    return tmp_path


@pytest.mark.parametrize(
    ("removed", "wrong"),
    [
        (None, None),
        ("SHA256SUMS", "SHA256SUMS is missing in it"),
        ("images.json", "images.json is missing in it"),
        ("influxdb.tar", "influxdb.tar is missing in it, and SHA256SUMS lists it"),
    ],
)
def test_an_archive_is_complete(archive: Path, removed: str | None, wrong: str | None) -> None:
    if removed:
        (archive / removed).unlink()
    found = problems(inventory(each={"image_source": "archive", "image_archive_dir": archive.name}), archive.parent)
    assert found == [] if wrong is None else found[0].startswith(f"image_archive_dir = {archive.name}: {wrong}")


def test_a_missing_archive_folder_is_refused() -> None:
    message = the_problem(inventory(each={"image_source": "archive", "image_archive_dir": "/no/such/folder"}))
    assert message.startswith("image_archive_dir = /no/such/folder: there is no such folder on the controller")


# Groups


def test_an_inventory_without_influxdb_is_refused() -> None:
    message = problems(inventory({**ONE, "influxdb": []}))[0]
    assert message.startswith("group influxdb = []: has no host, and influxdb_external_url is not set")


def test_two_hosts_with_influxdb_are_refused() -> None:
    message = the_problem(inventory({**ONE, "influxdb": ["one", "two"]}, each={"stack_bind_address": "192.0.2.1"}))
    assert message.startswith('group influxdb = ["one", "two"]: has more than one host')


def test_an_influxdb_host_beside_an_external_url_is_refused() -> None:
    message = problems(inventory(each={"influxdb_external_url": "http://influx.example:8086"}))[0]
    assert message.startswith("influxdb_external_url = http://influx.example:8086: is set, and the group influxdb has")


def test_an_external_influxdb_must_reach_kapacitor() -> None:
    groups = {**ONE, "influxdb": []}
    given = {"influxdb_external_url": "http://influx.example:8086"}
    message = the_problem(inventory(groups, each=given))
    assert message.startswith("stack_bind_address = 127.0.0.1: Kapacitor listens on one alone")
    assert problems(inventory(groups, each={**given, "stack_bind_address": "192.0.2.1"})) == []
    assert problems(inventory(groups, each={"influxdb_external_url": "http://127.0.0.1:8086"})) == []


@pytest.mark.parametrize(
    "url", ["influx.example:8086", "udp://influx.example", "http://", "http://x:port", "http://x/db"]
)
def test_an_external_influxdb_without_a_url_is_refused(url: str) -> None:
    found = problems(inventory({**ONE, "influxdb": []}, each={"influxdb_external_url": url}))
    assert f"influxdb_external_url = {url}: is not the URL of an InfluxDB" in found[0]


@pytest.mark.parametrize(
    "url", ["grafana.example", "ftp://grafana.example", "https://", "https://grafana.example/?orgId=1"]
)
def test_the_address_of_grafana_is_one_that_links_can_begin_with(url: str) -> None:
    (found,) = problems(inventory(each={"grafana_root_url": url}))
    assert found.startswith(f"grafana_root_url = {url}: is not an address that browsers reach Grafana at")
    assert problems(inventory(each={"grafana_root_url": "https://example.org/grafana/"})) == []


@pytest.mark.parametrize(
    "url", ["console.example", "https://", "https://console.example/anomaly", "http://c:0", "http://["]
)
def test_the_address_of_the_console_has_no_path(url: str) -> None:
    (found,) = problems(inventory(each={"console_root_url": url}))
    assert found.startswith(f"console_root_url = {url}: is not an address that browsers reach the console at")
    assert problems(inventory(each={"console_root_url": "https://console.example:8443/"})) == []


GRAFANA: dict[str, Any] = {
    "grafana_external_url": "https://grafana.example",
    "grafana_external_token": "glsa_7c1e09d54",
    "stack_bind_address": "192.0.2.1",
}
NO_GRAFANA = {**ONE, "grafana": []}


def test_an_external_grafana_is_one_with_an_account() -> None:
    assert problems(inventory(NO_GRAFANA, each=GRAFANA)) == []
    user = {
        "grafana_external_token": "",
        "grafana_external_username": "boss",
        "grafana_external_password": "b7c1e09d54",
    }
    assert problems(inventory(NO_GRAFANA, each={**GRAFANA, **user})) == []


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"grafana_external_token": ""}, 'grafana_external_token = "": is empty, and the stack needs an account'),
        ({"grafana_external_username": "boss"}, "grafana_external_username = boss: is set, and grafana_external_token"),
        ({"grafana_external_token": "", "grafana_external_username": "boss"},
         'grafana_external_password = "": is empty, but grafana_external_username is boss'),
        ({"grafana_external_token": "changeme"}, "grafana_external_token"),
        ({"grafana_external_url": "grafana.example"}, "grafana_external_url = grafana.example: is not the URL of a"),
        ({"grafana_external_url": "https://grafana.example/?orgId=1"}, "grafana_external_url = "),
        ({"grafana_external_influxdb_url": "influx"}, "grafana_external_influxdb_url = influx: is not the URL of an"),
        ({"stack_bind_address": "127.0.0.1"},
         "stack_bind_address = 127.0.0.1: InfluxDB listens on one alone, but the Grafana at https://grafana.example"),
    ],
)  # fmt: skip
def test_what_is_wrong_with_an_external_grafana_is_named(given: dict[str, Any], message: str) -> None:
    found = problems(inventory(NO_GRAFANA, each={**GRAFANA, **given}))
    assert found[0].startswith(message), found
    assert all("Fix: " in line for line in found)
    assert "glsa_7c1e09d54" not in "\n".join(found)


def test_what_is_not_the_url_of_a_grafana_is_told_once() -> None:
    url = "grafana.example"
    variables = {**GRAFANA, "stack_bind_address": "127.0.0.1", "grafana_external_url": url, "grafana_root_url": url}
    (found,) = problems(inventory(NO_GRAFANA, each=variables))
    assert found.startswith("grafana_external_url = grafana.example: is not the URL of a Grafana. Fix: ")


def test_an_external_grafana_may_reach_an_influxdb_that_listens_on_the_loopback_interface() -> None:
    local = {**GRAFANA, "stack_bind_address": "127.0.0.1"}
    assert problems(inventory(NO_GRAFANA, each={**local, "grafana_external_url": "http://localhost:3000"})) == []
    assert problems(inventory(NO_GRAFANA, each={**local, "grafana_external_influxdb_url": "http://x:8086"})) == []


KAPACITOR = {"kapacitor_external_url": "http://192.0.2.1:9092"}


def test_an_external_kapacitor_needs_no_port_of_the_host_and_listens_where_it_does() -> None:
    found = inventory(each=KAPACITOR)
    assert problems(found) == []
    assert "kapacitor" not in found.port_variables(found.hosts["one"])
    influx = {"influxdb_external_url": "http://influx.example:8086"}
    assert problems(inventory({**ONE, "influxdb": []}, each={**KAPACITOR, **influx})) == []


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"kapacitor_external_url": "192.0.2.1"}, "kapacitor_external_url = 192.0.2.1: is not the URL of a Kapacitor"),
        ({"kapacitor_external_url": "http://127.0.0.1:9092"}, "kapacitor_external_url = http://127.0.0.1:9092: leads"),
        ({"kapacitor_external_url": "http://admin:7c1e09d54@192.0.2.1"},
         "kapacitor_external_url = http://(hidden)@192.0.2.1: has credentials in it"),
        ({"kapacitor_external_url": "https://192.0.2.1:9092", "stack_tls": True},
         "kapacitor_external_url = https://192.0.2.1:9092: is https, and with stack_tls"),
        ({"kapacitor_udfs": {"mine": {}}}, "kapacitor_udfs = (set): is set, and kapacitor_external_url too"),
    ],
)  # fmt: skip
def test_what_is_wrong_with_an_external_kapacitor_is_named(given: dict[str, Any], message: str) -> None:
    found = problems(inventory(each={**KAPACITOR, **given}))
    assert found[0].startswith(message), found
    assert "7c1e09d54" not in "\n".join(found)


def test_a_grafana_host_beside_an_external_url_is_refused() -> None:
    message = problems(inventory(each=GRAFANA))[0]
    assert message.startswith("grafana_external_url = https://grafana.example: is set, and the group grafana has")


def test_rules_and_dashboards_of_an_external_grafana_are_checked() -> None:
    rules = [{"rule": "shed", "receiver": "somebody that only Grafana knows"}, {"rule": "shed"}]
    (found,) = problems(inventory(NO_GRAFANA, each={**GRAFANA, "grafana_alert_rules": rules}))
    assert found.startswith("grafana_alert_rules[1] = shed: the rule is there twice")


def test_credentials_in_a_url_are_not_repeated() -> None:
    url = "http://admin:b7c1e09d54@influx.example:8086"
    found = problems(inventory({**ONE, "influxdb": []}, each={"influxdb_external_url": url}))
    assert "has credentials in it" in found[0]
    assert "b7c1e09d54" not in "\n".join(found)


def test_an_inventory_without_kapacitor_is_refused() -> None:
    found = problems(inventory({**ONE, "kapacitor": []}))
    assert found[0].startswith("group kapacitor = []: has no host")


def test_a_misspelt_group_is_named_with_the_right_one() -> None:
    groups = {"influxdb": ["one"], "kapacitors": ["one"], "grafana": ["one"], "chronograf": ["one"]}
    assert any("group kapacitors" in line and "did you mean kapacitor?" in line for line in problems(inventory(groups)))


def test_a_pipeline_on_a_host_without_kapacitor_is_refused() -> None:
    message = the_problem(inventory(each={"pipelines": [{**PIPELINE, "kapacitor": "kap9"}]}))
    assert message == "pipelines[0].kapacitor = kap9: is not a host of the group kapacitor. Fix: one of one"


def test_services_that_others_cannot_reach_are_refused() -> None:
    found = problems(inventory(FOUR))
    assert any(
        line.startswith("influx1: stack_bind_address = 127.0.0.1: InfluxDB listens on influx1 alone") for line in found
    )
    assert any(line.startswith("kap1: stack_bind_address = 127.0.0.1: Kapacitor listens on kap1") for line in found)
    assert not any(line.startswith("graf1:") for line in found)


def test_an_address_that_leads_back_is_refused() -> None:
    found = problems(reachable_four(influx1={"stack_address": "localhost"}))
    assert found[0].startswith("influx1: stack_address = localhost: leads every other host back to itself")


@pytest.mark.parametrize("address", ["2001:db8::7", "[2001:db8::7]"])
def test_an_ipv6_address_for_other_hosts_is_refused(address: str) -> None:
    found = problems(reachable_four(influx1={"stack_address": address}))
    assert len(found) == 1, found
    assert found[0].startswith(f"influx1: stack_address = {address}: is an IPv6 address, and kap1")
    assert "a name or an IPv4 address" in found[0]


def test_an_external_influxdb_by_its_ipv6_address_is_refused() -> None:
    groups = {name: members for name, members in ONE.items() if name != "influxdb"}
    url = "http://[2001:db8::7]:8086"
    given: dict[str, Any] = {"influxdb_external_url": url, "stack_bind_address": "192.0.2.1"}
    given["secrets_given"] = {"influxdb_admin_password": "long enough and random"}
    found = [line for line in problems(inventory(groups, each=given)) if "IPv6" in line]
    assert len(found) == 1, found
    assert found[0].startswith(
        f"influxdb_external_url = {url}: is an IPv6 address, which the stack's containers cannot"
    )


def test_an_ipv6_address_for_metrics_is_refused_where_there_are_metrics() -> None:
    assert problems(inventory(each={"keeper_metrics_address": "::1"})) == []
    message = the_problem(inventory(each={"keeper_metrics_address": "::1", "keeper_metrics_port": 9095}))
    assert message.startswith("keeper_metrics_address = ::1: is an IPv6 address")


def test_a_machine_that_is_listed_twice_is_refused() -> None:
    found = the_problem(reachable_four(kap1={"stack_address": "192.0.2.5"}, kap2={"stack_address": "192.0.2.5"}))
    assert found.startswith("kap2: stack_address = 192.0.2.5: kap1 has the same address and kapacitor_port (9092)")


def test_hosts_of_different_stacks_are_refused() -> None:
    found = the_problem(reachable_four(kap2={"stack_name": "other"}))
    assert found.startswith("stack_name: is not the same on all hosts of the inventory: kap2 differ")


def test_hosts_that_disagree_on_chronografs_alert_rules_are_refused() -> None:
    found = the_problem(reachable_four(kap2={"chronograf_alert_rules": True}))
    assert found.startswith("chronograf_alert_rules: is not the same on all hosts of the inventory: kap2 differ")


# Pipelines


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"fields": None}, "fields"),
        ({"feilds": ["hotend"]}, "did you mean fields?"),
        ({"window": "ten seconds"}, "window"),
        ({"window": 10}, "window"),
        ({"detector": "isolation_florest"}, "did you mean isolation_forest?"),
        ({"fields": []}, "fields"),
        ({"name": ""}, "name"),
    ],
)
def test_a_wrong_pipeline_is_refused_with_its_place(change: dict[str, Any], expected: str) -> None:
    found = problems(inventory(each={"pipelines": [{**PIPELINE, **change}]}))
    assert found
    assert all(line.startswith("pipelines[0]") for line in found)
    assert any(expected in line for line in found)


def test_a_pipeline_without_a_field_is_refused() -> None:
    pipeline = {key: value for key, value in PIPELINE.items() if key != "measurement"}
    assert 'pipelines[0] "printer": measurement: is missing' in the_problem(inventory(each={"pipelines": [pipeline]}))


def test_two_pipelines_of_one_name_are_refused() -> None:
    assert "printer" in the_problem(inventory(each={"pipelines": [PIPELINE, PIPELINE]}))


# All of them


def test_everything_is_told_at_once() -> None:
    wrong = {
        "influxdb_prot": 1,
        "grafana_port": "x",
        "stack_name": "A",
        "image_source": "guess",
        "image_registry_password": "admin",
    }
    told = "\n".join(problems(inventory({**ONE, "kapacitor": []}, each={**wrong, "pipelines": [{"name": "x"}]})))
    for name in (*wrong, "group kapacitor", "pipelines[0]"):
        assert name in told


def test_a_problem_of_some_hosts_names_them_and_one_of_all_is_told_once() -> None:
    everywhere = the_problem(
        reachable_four(**{name: {"grafana_port": "x"} for name in ("influx1", "kap1", "kap2", "graf1")})
    )
    assert everywhere.startswith("grafana_port = x")
    some = the_problem(reachable_four(kap1={"grafana_port": "x"}, kap2={"grafana_port": "x"}))
    assert some.startswith("kap1, kap2: grafana_port = x")


# Names of groups and variables that changed


def test_the_group_of_all_hosts_may_be_there() -> None:
    assert problems(inventory({**ONE, "influx_anomaly": ["one"]})) == []


def test_a_host_of_that_group_without_a_service_is_told() -> None:
    message = the_problem(inventory({**ONE, "influx_anomaly": ["one", "idle"]}))
    assert message.startswith('group influx_anomaly = ["idle"]: runs no service of the stack. Fix: ')


def test_a_host_that_this_group_lacks_is_told() -> None:
    hosts = {**FOUR, "influx_anomaly": ["influx1", "kap1", "kap2"]}
    message = the_problem(inventory(hosts, each={"stack_bind_address": "192.0.2.1"}))
    assert 'lacks ["graf1"], which has a service of the stack' in message


def test_an_old_name_of_a_secret_is_told_without_its_value() -> None:
    given = {"chronograf_token_secret": "A1b2C3d4E5f6G7h8J9k0L1m2"}
    assert the_problem(inventory(each={"secrets_given": given})) == (
        "secrets_given.chronograf_token_secret: has another name now. "
        "Fix: rename it: chronograf_token_secret -> chronograf_admin_password"
    )


def test_an_old_name_is_told_with_the_new_one() -> None:
    assert the_problem(inventory(each={"stack_secrets_file": "/secrets"})) == (
        "stack_secrets_file = /secrets: has another name now. Fix: rename it: stack_secrets_file -> secrets_dir"
    )


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("trainer_enabled", "keeper_enabled"),
        ("trainer_keep", "keeper_keep"),
        ("trainer_memory", "keeper_memory"),
        ("trainer_cpus", "keeper_cpus"),
        ("trainer_poll_seconds", "keeper_training_poll_seconds"),
    ],
)
def test_the_variables_of_the_trainer_are_the_keepers(old: str, new: str) -> None:
    assert new in OPTIONS
    assert the_problem(inventory(each={old: 7})).endswith(f"Fix: rename it: {old} -> {new}")


def test_a_port_for_metrics_is_checked_where_it_is_published() -> None:
    assert problems(inventory(each={"keeper_metrics_port": 0})) == []
    assert problems(inventory(each={"keeper_metrics_port": 9100})) == []
    assert "kapacitor_port is the same" in the_problem(inventory(each={"keeper_metrics_port": 9092}))
    assert "is not a port" in the_problem(inventory(each={"keeper_metrics_port": 70000}))
