#!/usr/bin/python
"""Ansible module that reads what a deployment on a host depends on."""

from __future__ import annotations

DOCUMENTATION = r"""
module: preflight_host
short_description: Read what a deployment on a host depends on
description:
  - Reads memory, disk space, listening ports, the container engine and the reachability of registries, in one round trip
    and with Python's standard library alone. The module changes nothing.
  - The filter P(preflight_host_problems#filter) judges the result.
attributes:
  check_mode:
    support: full
options:
  paths:
    description: Folders whose free space is read. For a missing folder the module reads its nearest parent.
    type: list
    elements: path
    default: []
  address:
    description: IP address that the stack publishes ports on.
    type: str
    default: 127.0.0.1
  ports:
    description: TCP ports to find listeners of.
    type: list
    elements: int
    default: []
  data:
    description: Folder of a service's data, by service.
    type: dict
    default: {}
  socket:
    description: Socket of the container engine.
    type: path
    default: /var/run/docker.sock
  urls:
    description: >-
      URLs that processes of the host must reach. Any answer counts, including a refusal by the server. Proxies of the
      environment apply.
    type: list
    elements: str
    default: []
  engine_urls:
    description: URLs that the engine itself must reach, by its own proxies where it has any.
    type: list
    elements: str
    default: []
  timeout:
    description: Seconds for each URL. The module tries all of them in parallel.
    type: int
    default: 10
author: influx-anomaly
"""

EXAMPLES = r"""
- name: Read the host's resources
  influx_anomaly.stack.preflight_host:
    paths: [/srv/influx-anomaly]
    ports: [8086, 9092]
"""

RETURN = r"""
memory_mb:
  description: Memory in MiB, or the limit of the cgroup where that is lower.
  type: int
  returned: always
disks:
  description: For each path C(existing) (the folder that was read), C(free_mb) and C(writable).
  type: dict
  returned: always
address_is_own:
  description: Whether the host can listen on O(address); true for a text that is not an IP address.
  type: bool
  returned: always
listeners:
  description: For each port with a listener C(addresses) and C(process) (name and id, if they can be read).
  type: dict
  returned: always
written_by:
  description: For each service of O(data) the version that was started last on its data; empty if nobody recorded it.
  type: dict
  returned: always
engine:
  description: >-
    C(answers), and C(reason) of an engine that does not answer, else C(name), C(version), C(api), C(root) (its folder),
    C(free_mb), C(security) (names of its security options, such as C(rootless)), C(limits_memory) (whether memory
    limits of containers hold), C(architecture), C(proxies) (C(http), C(https), C(no), without credentials) and
    C(containers).
  type: dict
  returned: always
urls:
  description: For each URL an empty text if a server answered, else the reason.
  type: dict
  returned: always
"""

import concurrent.futures
import http.client
import ipaddress
import json
import os
import re
import shutil
import socket
import ssl
import struct
import urllib.error
import urllib.request
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from ansible.module_utils.basic import AnsibleModule

TCP_LISTEN = "0A"
WRITTEN_BY = "written-by"
"""What names the version of the service that was started last on a folder of data. The scripts that start InfluxDB and
Kapacitor write it, and the role grafana."""


def memory_mb() -> int:
    """Return the memory in MiB of the host, or of the container that the module runs in."""
    total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    for limit in ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"):
        try:
            total = min(total, int(Path(limit).read_text(encoding="ascii")))
        except (OSError, ValueError):  # no such file, or "max"
            continue
    return total // 2**20


def disk(path: str) -> dict[str, object]:
    """Return the free MiB for an ordinary user where `path` lies or would lie."""
    existing = Path(path)
    while not existing.exists():
        existing = existing.parent
    return {
        "existing": str(existing),
        "free_mb": shutil.disk_usage(existing).free // 2**20,
        "writable": existing.is_dir() and os.access(existing, os.W_OK | os.X_OK),
    }


def written_by(folder: str) -> str:
    """Return the version that was started last on a folder of data; empty if nobody recorded it."""
    try:
        match = re.search(r"\d+\.\d+\.\d+", Path(folder, WRITTEN_BY).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return ""
    return match[0] if match else ""


def is_own(address: str) -> bool:
    """Return whether a socket can bind to an address, as publishing a port requires."""
    try:
        family = socket.AF_INET6 if ipaddress.ip_address(address).version == 6 else socket.AF_INET
    except ValueError:
        return True  # there is nothing to bind; the inventory's check reports it
    with socket.socket(family) as probe:
        try:
            probe.bind((address, 0))
        except OSError:
            return False
    return True


def _sockets() -> list[tuple[str, int, str]]:
    """Return address, port and inode of every listening TCP socket, from the kernel's tables."""
    sockets = []
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        try:
            lines = Path(table).read_text(encoding="ascii").splitlines()[1:]
        except OSError:
            continue
        for line in lines:
            columns = line.split()
            if columns[3] != TCP_LISTEN:
                continue
            address, port = columns[1].split(":")
            sockets.append((_address(address), int(port, 16), columns[9]))
    return sockets


def _address(text: str) -> str:
    """Return the address that the kernel prints as 32-bit words in the host's byte order."""
    words = [int(text[at : at + 8], 16) for at in range(0, len(text), 8)]
    address = ipaddress.ip_address(b"".join(struct.pack("=I", word) for word in words))
    mapped = getattr(address, "ipv4_mapped", None)
    return str(mapped or address)


def _processes(inodes: set[str]) -> dict[str, str]:
    """Return "name (pid N)" of the process that holds each socket, by the socket's inode."""
    processes: dict[str, str] = {}
    for process in Path("/proc").iterdir():
        if not process.name.isdigit():
            continue
        try:
            for descriptor in (process / "fd").iterdir():
                target = str(descriptor.readlink())
                inode = target[8:-1] if target.startswith("socket:[") else ""
                if inode in inodes:
                    name = (process / "comm").read_text(encoding="utf-8", errors="replace").strip()
                    processes[inode] = f"{name} (pid {process.name})"
        except OSError:  # the process ended, or belongs to another user
            continue
    return processes


def listeners(ports: list[int]) -> dict[str, dict[str, object]]:
    """Return the listeners of each port that has one, by the port as text."""
    sockets = [entry for entry in _sockets() if entry[1] in ports]
    processes = _processes({inode for _, _, inode in sockets}) if sockets else {}
    by_port: dict[str, dict[str, object]] = {}
    for address, port, inode in sockets:
        entry = by_port.setdefault(str(port), {"addresses": [], "process": ""})
        addresses = entry["addresses"]
        if isinstance(addresses, list) and address not in addresses:
            addresses.append(address)
        entry["process"] = entry["process"] or processes.get(inode, "")
    return by_port


class _Engine(http.client.HTTPConnection):
    """HTTP connection to the engine's socket."""

    def __init__(self, path: str) -> None:
        super().__init__("localhost", timeout=10)
        self._path = path

    def connect(self) -> None:
        """Connect to the Unix socket instead of a host."""
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self._path)

    def ask(self, path: str) -> object:
        """Return the JSON answer to a GET.

        Raises:
            ValueError: the engine refuses, or the answer is not JSON.
        """
        self.request("GET", path)
        answer = self.getresponse()
        body = answer.read()
        if answer.status != http.client.OK:
            raise ValueError(f"{path}: HTTP {answer.status}")
        return json.loads(body)


def engine(path: str) -> dict[str, Any]:
    """Return what the engine behind a socket is and its containers, or why it does not answer."""
    connection = _Engine(path)
    try:
        version = connection.ask("/version")
        information = connection.ask("/info")
        containers = connection.ask("/containers/json?all=1")
        versions = _versions(connection, containers) if isinstance(containers, list) else {}
    except (OSError, ValueError, http.client.HTTPException) as error:
        return {"answers": False, "reason": str(error)}
    finally:
        connection.close()
    if not (isinstance(version, dict) and isinstance(information, dict) and isinstance(containers, list)):
        return {"answers": False, "reason": "it doesn't speak the Docker Engine API"}
    components = version.get("Components") or [{}]
    root = str(information.get("DockerRootDir") or "/var/lib/docker")
    options = [str(option) for option in information.get("SecurityOptions") or []]
    return {
        "answers": True,
        "name": components[0].get("Name") or "Engine",
        "version": version.get("Version", ""),
        "api": version.get("ApiVersion", ""),
        "root": root,
        "free_mb": disk(root)["free_mb"],
        # An option is name=NAME, with its own settings behind commas.
        "security": [option.split(",")[0].replace("name=", "", 1) for option in options],
        "limits_memory": bool(information.get("MemoryLimit", True)),
        "architecture": str(information.get("Architecture") or ""),
        "proxies": {
            kind: _without_credentials(str(information.get(key) or ""))
            for kind, key in (("http", "HttpProxy"), ("https", "HttpsProxy"), ("no", "NoProxy"))
        },
        "containers": [
            {
                "names": [name.lstrip("/") for name in container.get("Names") or []],
                "labels": container.get("Labels") or {},
                "image": container.get("Image") or "",
                "versions": versions.get(container.get("Id"), {}),
                "ports": sorted(
                    {port["PublicPort"] for port in container.get("Ports") or [] if port.get("PublicPort")}
                ),
            }
            for container in containers
        ],
    }


def _versions(connection: _Engine, containers: list[Any]) -> dict[str, dict[str, str]]:
    """Return the variables that tell a version, such as `INFLUXDB_VERSION`, of each container of a stack, by its id."""
    versions = {}
    for container in containers:
        if "influx-anomaly.service" not in (container.get("Labels") or {}):
            continue
        try:
            inspected = connection.ask(f"/containers/{container['Id']}/json")
        except ValueError:  # it has been removed meanwhile
            continue
        variables = (inspected.get("Config") or {}).get("Env") or [] if isinstance(inspected, dict) else []
        pairs = [entry.split("=", 1) for entry in variables if "=" in entry]
        versions[container["Id"]] = {name: value for name, value in pairs if name.endswith("_VERSION")}
    return versions


def _without_credentials(proxy: str) -> str:
    scheme, separator, rest = proxy.rpartition("://")
    return f"{scheme}{separator}{rest.rpartition('@')[2]}"


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _has_no_proxy(host: str, listed: str) -> bool:
    """Return whether a list such as `example.org,.local,10.0.0.0/8` names a host, as Go's programs read it."""
    for entry in (part.strip().lower() for part in listed.split(",")):
        try:
            if ipaddress.ip_address(host) in ipaddress.ip_network(entry):
                return True
            continue
        except ValueError:  # the host or the entry is a name
            name = entry.rsplit(":", 1)[0].removeprefix("*").removeprefix(".")
        if entry == "*" or (name and (host == name or host.endswith(f".{name}"))):
            return True
    return False


def _opener(url: str, proxies: Mapping[str, str]) -> urllib.request.OpenerDirector:
    """Return what opens a URL by the engine's proxies; without any, proxies of the environment apply."""
    by_kind = {kind: proxies[kind] for kind in ("http", "https") if proxies.get(kind)}
    if not by_kind:
        return urllib.request.build_opener()
    place = urlsplit(url)
    # The engine, as every program in Go, reaches loopback addresses without a proxy.
    bypass = _is_loopback(place.hostname or "") or _has_no_proxy(place.hostname or "", proxies.get("no", ""))
    return urllib.request.build_opener(urllib.request.ProxyHandler({} if bypass else by_kind))


def reach(url: str, timeout: int, proxies: Mapping[str, str]) -> str:
    """Return an empty text if a server answers at the URL, else the reason.

    Args:
        url: the URL.
        timeout: seconds to wait.
        proxies: the engine's proxies, for a URL that the engine itself must reach.
    """
    if not url.startswith(("https://", "http://")):
        return "it is not an http or https URL"
    request = urllib.request.Request(url, method="HEAD", headers={"User-Agent": "influx-anomaly-preflight"})  # noqa: S310  checked above
    try:
        with _opener(url, proxies).open(request, timeout=timeout):
            return ""
    except urllib.error.HTTPError:
        return ""  # a server that refuses is a server that answers
    except urllib.error.URLError as error:
        if isinstance(error.reason, ssl.SSLError) or (proxies and "Tunnel connection failed: 407" in str(error.reason)):
            # It answers. Which authorities and registries without TLS the engine trusts is its own affair, and so are
            # its credentials for a proxy, which it tells nobody.
            return ""
        return str(error.reason) or type(error.reason).__name__
    except (OSError, ValueError, http.client.HTTPException) as error:
        return str(error) or type(error).__name__


def reach_all(urls: Mapping[str, Mapping[str, str]], timeout: int) -> dict[str, str]:
    """Return for each URL an empty text or the reason, with all tried in parallel.

    Args:
        urls: the engine's proxies that apply, by URL.
        timeout: seconds for each.
    """
    if not urls:
        return {}
    with concurrent.futures.ThreadPoolExecutor(max_workers=len(urls)) as pool:
        answers = pool.map(lambda url: reach(url, timeout, urls[url]), urls)
        return dict(zip(urls, answers, strict=False))


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        argument_spec={
            "paths": {"type": "list", "elements": "path", "default": []},
            "address": {"type": "str", "default": "127.0.0.1"},
            "ports": {"type": "list", "elements": "int", "default": []},
            "data": {"type": "dict", "default": {}},
            "socket": {"type": "path", "default": "/var/run/docker.sock"},
            "urls": {"type": "list", "elements": "str", "default": []},
            "engine_urls": {"type": "list", "elements": "str", "default": []},
            "timeout": {"type": "int", "default": 10},
        },
        supports_check_mode=True,
    )
    parameters = module.params
    answer = engine(parameters["socket"])
    urls: dict[str, Mapping[str, str]] = {url: {} for url in parameters["urls"]}
    urls.update(dict.fromkeys(parameters["engine_urls"], answer.get("proxies") or {}))
    module.exit_json(
        changed=False,
        memory_mb=memory_mb(),
        disks={path: disk(path) for path in parameters["paths"]},
        address_is_own=is_own(parameters["address"]),
        listeners=listeners(parameters["ports"]),
        written_by={service: written_by(folder) for service, folder in parameters["data"].items()},
        engine=answer,
        urls=reach_all(urls, parameters["timeout"]),
    )


if __name__ == "__main__":
    main()
