"""Checks of values that have the right type and are still wrong."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterator
from urllib.parse import SplitResult, urlsplit

from ansible.module_utils.common.text.formatters import human_to_bytes

from .inventory import Host, Inventory
from .problem import BEYOND_FIREWALLS, Problem

_STACK_NAME = re.compile(r"[a-z][a-z0-9-]{0,28}[a-z0-9]|[a-z]")
_VERSION = re.compile(r"[0-9]+\.[0-9]+\.[0-9]+")
# A host name, which may begin with a wildcard.
_NAME = re.compile(r"(\*\.)?[A-Za-z0-9_]([A-Za-z0-9_-]*[A-Za-z0-9])?(\.[A-Za-z0-9_]([A-Za-z0-9_-]*[A-Za-z0-9])?)*")
# What a line of a password file can begin with, up to its colon.
_LOGIN = re.compile(r"[^\s:#]|[^\s:#][^:\x00-\x1f\x7f]*[^\s:\x00-\x1f\x7f]")
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
# Docker's grammar of a registry and a path below it.
_REGISTRY = re.compile(r"[a-zA-Z0-9]([a-zA-Z0-9.-]*[a-zA-Z0-9])?(:[0-9]+)?(/[a-z0-9]+([._-]+[a-z0-9]+)*)*")


# As `anomaly expire` has it.
LEAST_SCORE_DAYS = 14
# The prefix of the smallest subnet for a stack's network.
SMALLEST_SUBNET = 27


def check(inventory: Inventory) -> Iterator[Problem]:
    """Yield the problems of single values, and of values that do not fit each other."""
    for host in inventory.stack_hosts():
        yield from _stack(host)
        yield from _ports(inventory, host)
        yield from _versions(inventory, host)
        yield from _images(host)
        yield from _results(host)
        yield from _external(host)
        yield from _external_kapacitor(host)
        yield from _external_grafana(host)
        yield from _root_urls(host)
        yield from _memory(inventory, host)
        yield from _score_days(host)
        yield from _telling(host)
        yield from _certificates(host)
        yield from _console(host)
        yield from _chronograf(host)
    yield from _one_stack(inventory)


def _stack(host: Host) -> Iterator[Problem]:
    if not _STACK_NAME.fullmatch(host.text("stack_name")):
        yield host.problem(
            "stack_name",
            "cannot name containers, networks and folders",
            "lower-case letters, digits and hyphens, beginning with a letter, at most 30 characters, such as anomaly",
        )
    directory = host.text("stack_dir")
    if not directory.startswith("/") or directory.rstrip("/").count("/") < 2 or ".." in directory.split("/"):
        yield host.problem(
            "stack_dir",
            "is not a folder that a stack may have to itself",
            "an absolute path of at least two levels, such as /srv/influx-anomaly/anomaly",
        )
    fix = f"127.0.0.1 for this host only, an IPv4 address of the host, or 0.0.0.0 for all ({BEYOND_FIREWALLS})"
    yield from _address(host, "stack_bind_address", fix)
    if host.text("keeper_metrics_port") not in ("", "0"):
        yield from _address(host, "keeper_metrics_address", fix)
    yield from _subnet(host)


def _address(host: Host, variable: str, fix: str) -> Iterator[Problem]:
    """Check an address that ports are published on: the stack's network and its URLs are IPv4."""
    address = host.text(variable)
    if is_ipv6(address):
        yield host.problem(variable, "is an IPv6 address, and the stack's network and ports are IPv4", fix)
        return
    try:
        ipaddress.IPv4Address(address)
    except ValueError:
        yield host.problem(variable, "is not an IP address", fix)


def _subnet(host: Host) -> Iterator[Problem]:
    subnet = host.text("stack_network_subnet")
    if not subnet:
        return
    fix = "a private IPv4 network that nothing else on the host uses, such as 10.213.7.0/24; empty: the engine's choice"
    try:
        network = ipaddress.IPv4Network(subnet)
    except ValueError as error:
        yield host.problem("stack_network_subnet", f"is not an IPv4 network ({error})", fix)
        return
    if network.prefixlen > SMALLEST_SUBNET:
        yield host.problem(
            "stack_network_subnet",
            f"has too few addresses for the stack's containers and its jobs (/{network.prefixlen})",
            fix,
        )


def is_loopback(address: str) -> bool:
    """Return whether a name or an address leads every host to itself."""
    if address in ("localhost", "ip6-localhost", "ip6-loopback"):
        return True
    try:
        return ipaddress.ip_address(address.strip("[]")).is_loopback
    except ValueError:
        return False


def is_ipv6(address: str) -> bool:
    """Return whether a text is an IPv6 address, with or without the brackets of a URL."""
    try:
        return ipaddress.ip_address(address.removeprefix("[").removesuffix("]")).version == 6
    except ValueError:
        return False


def _ports(inventory: Inventory, host: Host) -> Iterator[Problem]:
    used: dict[int, str] = {}
    for variable in inventory.port_variables(host).values():
        try:
            port = int(host.text(variable))
        except ValueError:
            continue  # another check reports the wrong type
        if not 1 <= port <= 65535:
            yield host.problem(variable, "is not a port", "a number from 1 to 65535")
        elif port in used:
            yield host.problem(variable, f"{used[port]} is the same", "give each service of a host its own port")
        used.setdefault(port, variable)


def _versions(inventory: Inventory, host: Host) -> Iterator[Problem]:
    for service, row in inventory.table.items():
        if "version" not in row:
            continue
        variable = f"{service}_version"
        version = host.text(variable)
        supported = row.get("supported", {})
        series = supported.get("series", "")
        if not _VERSION.fullmatch(version):
            yield host.problem(
                variable, "is not an exact version", "three numbers, such as 1.8.6; tags that move are not pinned"
            )
        elif series and not version.startswith(f"{series}."):
            yield host.problem(
                variable,
                f"is not a {series}.x version, which is what this bundle is made for",
                f"a {series}.x version",
            )
        elif "oldest" in supported and _number(version) < _number(supported["oldest"]):
            yield host.problem(variable, supported["wrong"], supported["fix"])


def _number(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split("."))


def _images(host: Host) -> Iterator[Problem]:
    if not _REGISTRY.fullmatch(host.text("image_registry")):
        yield host.problem(
            "image_registry",
            "is not a registry",
            "a host name, with a port or a path where there is one, without https://, such as mirror.example:5000/hub",
        )
    user, password = host.text("image_registry_username"), host.text("image_registry_password")
    if user and not password:
        yield host.problem(
            "image_registry_password", "is empty, but image_registry_username is set", "set both, or none", value=""
        )
    if password and not user:
        yield host.problem(
            "image_registry_username", "is empty, but image_registry_password is set", "set both, or none", value=""
        )
    if host.text("image_source") == "archive" and not host.text("image_archive_dir"):
        yield host.problem(
            "image_archive_dir",
            "is empty, but image_source is archive",
            "the folder on the controller that export-images.yml wrote the archives to",
            value="",
        )
    digests = host.effective.get("images_digests")
    for name, digest in digests.items() if isinstance(digests, dict) else ():
        if not _DIGEST.fullmatch(str(digest)):
            yield host.problem(
                f"images_digests.{name}",
                "is not a digest",
                "sha256: and 64 hex digits, as the registry shows it",
                value=str(digest),
            )


def _results(host: Host) -> Iterator[Problem]:
    database = host.text("results_database")
    if not database or database == "_internal":
        yield host.problem("results_database", "is not a database to write to", "a name of its own, such as anomaly")
    pipelines = host.effective.get("pipelines")
    for index, pipeline in enumerate(pipelines if isinstance(pipelines, list) else []):
        if isinstance(pipeline, dict) and pipeline.get("database") == database:
            yield host.problem(
                "results_database",
                f"is also the source of pipelines[{index}]: results never go where the data come from",
                "another name for the results",
            )


def _external(host: Host) -> Iterator[Problem]:
    url = host.text("influxdb_external_url")
    if not url:
        return
    parts = _parts(url)
    if parts is None or parts.path not in ("", "/"):
        yield host.problem(
            "influxdb_external_url", "is not the URL of an InfluxDB", "such as http://influx.example:8086"
        )
    elif is_ipv6(parts.hostname or ""):
        yield host.problem(
            "influxdb_external_url",
            "is an IPv6 address, which the stack's containers cannot reach, as their network has IPv4 only",
            "a name or an IPv4 address of that InfluxDB",
        )
    else:
        yield from _credentials(host, "influxdb_external_url", parts, "give them as the secrets of InfluxDB's admin")


def _external_kapacitor(host: Host) -> Iterator[Problem]:
    url = host.text("kapacitor_external_url")
    if not url:
        return
    parts = _parts(url)
    if parts is None or parts.path not in ("", "/"):
        yield host.problem("kapacitor_external_url", "is not the URL of a Kapacitor", "such as http://192.0.2.1:9092")
        return
    yield from _credentials(
        host, "kapacitor_external_url", parts,
        "give them as kapacitor_admin_username and secrets_given.kapacitor_admin_password",
    )  # fmt: skip
    if is_loopback(parts.hostname or ""):
        yield host.problem(
            "kapacitor_external_url",
            "leads the stack's containers, the keeper among them, to themselves",
            "an address of the host that Kapacitor listens on, such as http://192.0.2.1:9092",
        )
    if parts.scheme == "https" and host.text("stack_tls") == "True":
        yield host.problem(
            "kapacitor_external_url",
            "is https, and with stack_tls the stack checks the certificates of Kapacitors against its own authority",
            "http, or stack_tls: false",
        )
    if host.effective.get("kapacitor_udfs"):
        yield host.problem(
            "kapacitor_udfs",
            "is set, and kapacitor_external_url too: the stack gives an external Kapacitor its own UDF only",
            "empty it, and configure these UDFs in that Kapacitor",
            value="(set)",
        )


def _external_grafana(host: Host) -> Iterator[Problem]:
    for variable, product, example, fix in (
        ("grafana_external_url", "a Grafana", "https://grafana.example", "give them as grafana_external_token"),
        ("grafana_external_influxdb_url", "an InfluxDB", "http://influx.example:8086", "the stack has its own"),
    ):
        url = host.text(variable)
        parts = _parts(url)
        if url and (parts is None or parts.query or parts.fragment):
            yield host.problem(variable, f"is not the URL of {product}", f"such as {example}")
        elif parts is not None:
            yield from _credentials(host, variable, parts, fix)
    if not host.text("grafana_external_url"):
        return
    token, user = host.text("grafana_external_token"), host.text("grafana_external_username")
    if token and user:
        yield host.problem(
            "grafana_external_username", "is set, and grafana_external_token too", "empty one of the two"
        )
    elif not token and not user:
        yield host.problem(
            "grafana_external_token",
            "is empty, and the stack needs an account in your Grafana",
            "the token of a service account that has the role Admin there, from Ansible Vault",
            value="",
        )
    elif user and not host.text("grafana_external_password"):
        yield host.problem(
            "grafana_external_password", f"is empty, but grafana_external_username is {user}", "its password", value=""
        )


def _parts(url: str) -> SplitResult | None:
    """Return the parts of a URL, or None if it is not one of HTTP with a host."""
    try:
        parts = urlsplit(url)
        port_is_number = parts.port is None or parts.port > 0
    except ValueError:
        return None
    return parts if port_is_number and parts.scheme in ("http", "https") and parts.hostname else None


def _credentials(host: Host, variable: str, parts: SplitResult, fix: str) -> Iterator[Problem]:
    if parts.username or parts.password:
        yield host.problem(
            variable,
            "has credentials in it, and URLs end up in logs",
            f"take them out of the URL; {fix}",
            value=f"{parts.scheme}://(hidden)@{parts.hostname}",
        )


def _memory(inventory: Inventory, host: Host) -> Iterator[Problem]:
    for variable in inventory.memory_variables(host).values():
        try:
            human_to_bytes(host.text(variable))
        except ValueError:
            yield host.problem(variable, "is not a size of memory", "a number and a unit, such as 512m or 2g")


def _root_urls(host: Host) -> Iterator[Problem]:
    # It is that of the external Grafana by default, which has a check of its own.
    grafana = host.text("grafana_root_url")
    if grafana != host.text("grafana_external_url") and not _is_root(grafana):
        yield host.problem(
            "grafana_root_url", "is not an address that browsers reach Grafana at", "such as https://grafana.example/"
        )
    console = host.text("console_root_url")
    if not _is_root(console) or urlsplit(console).path not in ("", "/"):
        yield host.problem(
            "console_root_url",
            "is not an address that browsers reach the console at, which serves no path below a name",
            "such as https://console.example/",
        )


def _is_root(url: str) -> bool:
    """Return whether links can begin with an address; an empty one means that there are none."""
    try:
        parts = urlsplit(url)
        is_address = parts.port != 0 and parts.scheme in ("http", "https") and bool(parts.hostname)
    except ValueError:
        is_address = False
    return not url or (is_address and not parts.query and not parts.fragment)


def _score_days(host: Host) -> Iterator[Problem]:
    try:
        days = int(host.text("keeper_score_days"))
    except ValueError:
        return  # another check reports the wrong type
    if days != 0 and days < LEAST_SCORE_DAYS:
        yield host.problem(
            "keeper_score_days",
            f"is less than {LEAST_SCORE_DAYS} days, which catch-ups and reports look back to",
            f"{LEAST_SCORE_DAYS} or more, or 0 to keep scores for ever",
        )


def _telling(host: Host) -> Iterator[Problem]:
    for name, usual in (("keeper_tell_after_seconds", 60), ("keeper_tell_back_after_seconds", 90)):
        try:
            seconds = int(host.text(name))
        except ValueError:
            continue  # another check reports the wrong type
        if seconds < 0:
            yield host.problem(name, "is less than 0 seconds", f"0 or more, such as the default {usual}")


def _certificates(host: Host) -> Iterator[Problem]:
    try:
        days, renew_days = int(host.text("stack_tls_days")), int(host.text("stack_tls_renew_days"))
    except ValueError:
        return  # another check reports the wrong type
    if not 0 < renew_days < days:
        yield host.problem(
            "stack_tls_renew_days",
            f"is not between 0 and stack_tls_days ({days}), so every run would make a new certificate, or none would",
            "such as 30, with certificates of 397 days",
        )
    yield from _host_names(host, "stack_tls_names", "grafana.example.org")


def _console(host: Host) -> Iterator[Problem]:
    yield from _host_names(host, "console_names", "console.example.org")
    viewer, operator = host.text("console_viewer_username"), host.text("console_operator_username")
    if viewer == operator:
        yield host.problem(
            "console_operator_username",
            "is the name of the viewer, too (console_viewer_username), and rights follow from the name",
            "another name for one of them, such as operator",
        )


def _chronograf(host: Host) -> Iterator[Problem]:
    if not _LOGIN.fullmatch(host.text("chronograf_admin_username")):
        yield host.problem(
            "chronograf_admin_username",
            "is not a name that Chronograf's password file can have",
            "a name without a colon, a # at its begin, and white space at its ends, such as the default admin",
        )


def _host_names(host: Host, variable: str, example: str) -> Iterator[Problem]:
    names = host.effective.get(variable)
    for name in names if isinstance(names, list) else ():
        if not _NAME.fullmatch(str(name)) and not _is_address(str(name)):
            yield host.problem(
                variable,
                "is neither a host name nor an IP address",
                f"a name without scheme, port and path, such as {example}",
                value=str(name),
            )


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


def _one_stack(inventory: Inventory) -> Iterator[Problem]:
    """Check the variables that all hosts of a stack must agree on."""
    for variable in (
        "stack_name",
        "results_database",
        "influxdb_external_url",
        "grafana_external_url",
        "pipelines",
        "stack_tls",
        "chronograf_alert_rules",
    ):
        values: dict[str, list[str]] = {}
        for host in inventory.stack_hosts():
            values.setdefault(repr(host.effective.get(variable)), []).append(host.name)
        if len(values) > 1:
            groups = "; ".join(f"{', '.join(names)} differ from the others" for names in list(values.values())[1:])
            yield Problem(
                variable,
                None,
                f"is not the same on all hosts of the inventory: {groups}",
                "set it once, in group_vars/all",
            )
