"""Filters of the role rotate: which secrets are rotated, what tells old from new ones, and who must be told."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from ansible_collections.influx_anomaly.stack.plugins.plugin_utils.preflight.problem import one_of

DOCUMENTATION = """
name: rotation
short_description: Plan and checks of a rotation of secrets
"""

Row = Mapping[str, Any]
Table = Mapping[str, Row]

# Stands for the tokens of subscriptions. Kapacitor makes them, so they have no files.
_TOKENS = "kapacitor_subscription_tokens"
# Secrets that sign tokens, and are not passwords.
_SIGNING = ("kapacitor_http_shared_secret",)
# Who outside of the stack has to be told a new secret. What in the stack logs in with it gets it from site.yml.
_OUTSIDE = {
    "influxdb_writer_password": "every program that writes points, such as Telegraf, is refused until it has it",
    "influxdb_reader_password": "people and programs that read; Grafana and Chronograf of the stack have it",
}


def rotation_plan(
    wanted: str | Sequence[str],
    services: Table,
    groups: Mapping[str, Sequence[str]],
    told: Mapping[str, Mapping[str, Sequence[str]]],
    given: Iterable[str],
    pending: Sequence[str],
    external: str,
    manage: bool,
    external_kapacitor: str = "",
) -> dict[str, Any]:
    """Return which secrets of a stack are rotated.

    Args:
        wanted: `rotate_secrets`: names, as a list or separated by commas; none means all.
        services: the table of services.
        groups: group name to its hosts.
        told: host to its `enabled` services and to those whose containers are `running`.
        given: names of the secrets that the inventory gives.
        pending: names of the secrets whose rotation an earlier run has begun.
        external: `influxdb_external_url`.
        manage: `influxdb_manage`.
        external_kapacitor: `kapacitor_external_url`.

    Returns:
        `names` to begin with, `pending` to go on with, `tokens` (whether subscriptions get new ones), `left_out` (name
        to the reason), and `problems`, one sentence each, with which nothing may be begun.
    """
    names = wanted.split(",") if isinstance(wanted, str) else list(wanted)
    names = [name.strip() for name in names if name.strip()]
    owners = {**_owners(services), _TOKENS: "kapacitor"}
    problems = [
        f"rotate_secrets = {name}: the stack has no such secret. Fix: {_one_of(name, list(owners))}"
        for name in names
        if name not in owners
    ]
    foreign = {
        secret: _external(secret, owner, external, manage, external_kapacitor) for secret, owner in owners.items()
    }
    reasons = {
        secret: _given(secret, given) or foreign[secret] or _away(owner, services, groups, told)
        for secret, owner in owners.items()
    }
    chosen = [secret for secret in owners if secret in (names or owners) and secret not in pending]
    if names:
        problems += [f"rotate_secrets = {name}: {reasons[name]}" for name in chosen if reasons[name]]
    else:
        # A service that may be missing keeps the others from nothing; another that is down would be locked out.
        problems += sorted(
            {
                reasons[secret]
                for secret in chosen
                if _down(owners[secret], services, groups, told) and not services[owners[secret]].get("optional")
                and not _given(secret, given) and not foreign[secret]
            }
        )  # fmt: skip
    begun = [secret for secret in chosen if not reasons[secret]]
    return {
        "names": [secret for secret in begun if secret != _TOKENS],
        "tokens": _TOKENS in begun,
        "pending": list(pending),
        "left_out": {secret: reasons[secret] for secret in chosen if reasons[secret]},
        "problems": problems,
    }


def _owners(services: Table) -> dict[str, str]:
    """Return secret to the service whose it is."""
    return {secret: name for name, row in services.items() for secret in row.get("secrets", ())}


def _one_of(name: str, known: Sequence[str]) -> str:
    listed = ", ".join(known)
    fix = one_of(name, known)
    return f"{fix} The secrets are {listed}" if fix.startswith("did you mean") else f"write {fix}"


def _given(secret: str, given: Iterable[str]) -> str:
    if secret not in set(given):
        return ""
    return (
        "it is in secrets_given, so it is yours. Fix: set the new one in the service and in secrets_given, or take it "
        "out of secrets_given and put its present value into the file of its name in secrets_dir"
    )


def _external(secret: str, owner: str, external: str, manage: bool, external_kapacitor: str) -> str:
    if owner == "kapacitor" and external_kapacitor:
        way = (
            "it makes new tokens when it is started and its subscriptions are gone from InfluxDB"
            if secret == _TOKENS
            else "set the secret there and in secrets_given"
        )
        return f"your Kapacitor {external_kapacitor} is yours. Fix: {way}"
    if owner != "influxdb" or not external:
        return ""
    if secret == "influxdb_admin_password":  # noqa: S105  the secret's name
        return f"the admin of your InfluxDB {external} is yours. Fix: set the password there and in secrets_given"
    if not manage:
        return (
            f"influxdb_manage is false, so the users of your InfluxDB {external} are yours. Fix: set the password "
            "there and in secrets_dir"
        )
    return ""


def _away(
    owner: str, services: Table, groups: Mapping[str, Sequence[str]], told: Mapping[str, Mapping[str, Sequence[str]]]
) -> str:
    """Return why a service cannot be told a new secret, or an empty string."""
    row = services[owner]
    hosts = groups.get(row["group"], ())
    title = row["title"]
    if owner == "influxdb" and not hosts:
        return ""
    if not hosts:
        return f"no host is in the group {row['group']}, so there is no {title}"
    disabled = [host for host in hosts if owner not in told[host]["enabled"]]
    if disabled:
        return f"{title} is switched off on {', '.join(disabled)} ({owner}_enabled), and would not learn a new one"
    down = _down(owner, services, groups, told)
    if down:
        return (
            f"{title} does not run on {', '.join(down)}, and would not get to know a new secret. Fix: run "
            "playbooks/site.yml and then this again, or name only other secrets in rotate_secrets"
        )
    return ""


def _down(
    owner: str, services: Table, groups: Mapping[str, Sequence[str]], told: Mapping[str, Mapping[str, Sequence[str]]]
) -> list[str]:
    """Return the hosts on which a service is switched on and does not run."""
    hosts = groups.get(services[owner]["group"], ())
    return [host for host in hosts if owner in told[host]["enabled"] and owner not in told[host]["running"]]


def rotation_summary(plan: Mapping[str, Any]) -> list[str]:
    """Return the lines that say what a plan of `rotation_plan` does."""
    lines = []
    if plan["pending"]:
        lines.append(f"An earlier run was interrupted, and this one goes on with {', '.join(plan['pending'])}.")
    names = [*plan["names"], *([_TOKENS] if plan["tokens"] else [])]
    lines.append(f"New secrets: {', '.join(names) or 'none'}.")
    lines += [f"{secret} stays as it is: {reason}." for secret, reason in plan["left_out"].items()]
    return lines


def rotation_urls(services: Table, scheme: str, address: str) -> dict[str, str]:
    """Return service to the URL that tells whether it takes a secret.

    Args:
        services: the rows of the services that run on a host.
        scheme: http or https.
        address: by which the host reaches its own services.
    """
    return {
        name: f"{scheme}://{address}:{row['port']}{row['login']}" for name, row in services.items() if "login" in row
    }


def rotation_checks(
    previous: Mapping[str, str],
    current: Mapping[str, str],
    services: Table,
    users: Mapping[str, str],
    urls: Mapping[str, str],
) -> list[dict[str, Any]]:
    """Return the requests that tell whether services take new secrets and refuse old ones, each new one first.

    Args:
        previous: secret to its old value.
        current: secret to its value.
        services: the table of services, whose accounts have secrets.
        users: secret to the user whose it is, of secrets without an account. No service asks for those without a user.
        urls: service to the URL of `rotation_urls`, of those that are asked from here.

    Returns:
        For each request `secret`, `is_old`, `service`, `who` answers, `url`, `username`, `value` and `is_token`
        (whether the value signs a token, and is not a password).
    """
    owners = _owners(services)
    accounts = [account for row in services.values() for account in row.get("accounts", {}).values()]
    users = {**users, **{account["secret"]: account["username"] for account in accounts}}
    return [
        {
            "secret": secret,
            "is_old": is_old,
            "service": service,
            "who": services[service]["title"],
            "url": urls[service],
            "username": users[secret],
            "value": value,
            "is_token": secret in _SIGNING,
        }
        for secret, old in previous.items()
        if secret in users and (service := owners[secret]) in urls
        for is_old, value in ((False, current[secret]), (True, old))
    ]


def rotation_lines(names: Iterable[str], services: Table, folder: str) -> list[str]:
    """Return a line for each rotated secret that somebody outside of the stack may have to be told.

    Args:
        names: the rotated secrets.
        services: the table of services.
        folder: `secrets_dir`.
    """
    rotated = set(names)
    return [
        f"{row['title']}, user {account['username']}: {folder}/{account['secret']}"
        f" ({_OUTSIDE.get(account['secret'], 'people and programs that log in with it')})"
        for row in services.values()
        for account in row.get("accounts", {}).values()
        if account["secret"] in rotated
    ]


def rotation_findings(results: Iterable[Mapping[str, Any]]) -> list[str]:
    """Return the problems of services that take an old secret, or that do not take the new one.

    Args:
        results: of a loop of `uri`, whose items have `secret`, `is_old` and what answers (`who`).
    """
    problems = []
    for result in results:
        item = result["item"]
        status = int(result.get("status", -1))
        if status == -1:
            reason = str(result.get("msg", "no reason given"))[:200]
            problems.append(f"{item['who']} does not answer, so it may take either {item['secret']}: {reason}")
        elif item["is_old"] and status != 401:
            problems.append(f"{item['who']} still takes the old {item['secret']} (HTTP {status})")
        elif not item["is_old"] and status not in (200, 204):
            problems.append(f"{item['who']} refuses the new {item['secret']} (HTTP {status})")
    return problems


class FilterModule:
    """Register the filters with Ansible."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Return each filter's function by its name."""
        return {
            "rotation_checks": rotation_checks,
            "rotation_findings": rotation_findings,
            "rotation_lines": rotation_lines,
            "rotation_plan": rotation_plan,
            "rotation_summary": rotation_summary,
            "rotation_urls": rotation_urls,
        }
