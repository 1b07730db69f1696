"""Filters for certificates: the files that a service gets, and what verify.yml says of those that are served."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

Finding = Mapping[str, Any]


def certificate_files(certificate: Mapping[str, str], serves: bool = True) -> dict[str, str]:
    """Return the files of a service that speaks TLS, by name; none without a certificate.

    Args:
        certificate: the fact `stack_certificate`; empty without TLS.
        serves: whether others connect to it. One that only connects to others needs no restart at a renewal.
    """
    if not certificate:
        return {}
    own = {"certificate.pem": certificate["certificate"], "key.pem": certificate["key"]} if serves else {}
    return {**own, "ca.pem": certificate["ca"]}


def certificate_servers(
    services: Mapping[str, Any], names: Iterable[str], address: str, metrics_address: str
) -> list[dict[str, Any]]:
    """Return where a host's own processes find the certificates that it serves.

    Args:
        services: the table of services.
        names: the services that run on the host.
        address: where they reach its published ports.
        metrics_address: where they reach its published ports for metrics.

    Returns:
        `title`, `address` and `port` of each published port.
    """
    places = [
        (services[name]["title"], where, int(services[name].get(key, 0)))
        for name in names
        for key, where in (("port", address), ("metrics", metrics_address))
    ]
    return [{"title": title, "address": where, "port": port} for title, where, port in places if port]


def certificate_findings(results: Iterable[Mapping[str, Any]], renew_days: int) -> list[Finding]:
    """Return a finding for each certificate that is served.

    Args:
        results: what `served_certificate` said, with the server as `item`.
        renew_days: a certificate that is valid for fewer days is a problem, as site.yml renews it.
    """
    return [_finding(result, renew_days) for result in results]


def _finding(result: Mapping[str, Any], renew_days: int) -> Finding:
    title = result["item"]["title"]
    if "days_left" not in result:
        return {
            "what": f"{title}'s certificate is one that clients trust",
            "ok": False,
            "problem": f"{result.get('msg', 'no reason given')}. Fix: run site.yml",
        }
    left = int(result["days_left"])
    return {
        "what": f"{title}'s certificate is valid for at least {renew_days} more days",
        "ok": left >= renew_days,
        "problem": f"it ends in {left} days. Fix: run site.yml, which renews it, or give another one",
    }


class FilterModule:
    """Register the filters with Ansible."""

    def filters(self) -> dict[str, Any]:
        """Return each filter's function by its name."""
        return {
            "certificate_files": certificate_files,
            "certificate_findings": certificate_findings,
            "certificate_servers": certificate_servers,
        }
