#!/usr/bin/python
# SPDX-License-Identifier: MIT
"""Ansible module that keeps a stack's objects in a Grafana of the user's own, over its HTTP API.

It reads what is there, makes a list of requests, and sends them unless it runs in check mode. Everything that is the
stack's is known by its identifier; whatever else is in the way is a conflict, and then nothing is sent.
"""

from __future__ import annotations

DOCUMENTATION = r"""
---
module: grafana_objects
short_description: Keep a folder, a data source, dashboards, alert rules and contact points in Grafana 11 and 12
description:
  - Keeps a set of objects over Grafana's HTTP API, all dashboards and rules in one folder.
  - Objects of the set that are not listed any more are removed. These are rules and contact points of O(rule_uids) and
    O(contact_point_uids), and dashboards in the folder whose uid begins with O(dashboard_prefix) and that have O(dashboard_tags).
  - The module neither changes nor removes other objects. It fails before the first change where one is in the way.
  - Keys that Grafana adds to an object do not count as differences.
extends_documentation_fragment: [influx_anomaly.stack.connection, influx_anomaly.stack.connection.state]
options:
  token:
    description: Token of a service account, which is used instead of O(username) and O(password).
    type: str
  state:
    description: With V(absent), the module removes the set. It keeps the folder while it has anything else.
    type: str
    choices: [present, absent]
    default: present
  folder:
    description: The folder.
    type: dict
    required: true
    suboptions:
      uid:
        description: Its identifier.
        type: str
        required: true
      title:
        description: Its title.
        type: str
        required: true
  datasource:
    description: The data source, an InfluxDB that is asked in InfluxQL.
    type: dict
    required: true
    suboptions:
      uid:
        description: Its identifier.
        type: str
        required: true
      name:
        description: Its name.
        type: str
        required: true
      url:
        description: The address at which Grafana reaches InfluxDB.
        type: str
        required: true
      database:
        description: The database.
        type: str
        required: true
      user:
        description: InfluxDB's user.
        type: str
        required: true
      password:
        description:
          - The user's password. Grafana does not hand it out, so the module sends it when another key differs, and
            whenever the data source does not work.
        type: str
        default: ""
      ca_file:
        description: File on the host with the authorities that InfluxDB's certificate is checked against.
        type: path
  dashboards:
    description: The dashboards as Grafana's JSON, each with a V(uid).
    type: list
    elements: dict
    default: []
  dashboard_prefix:
    description: What the uids of dashboards that may be removed begin with.
    type: str
    required: true
  dashboard_tags:
    description: Tags that dashboards that may be removed have.
    type: list
    elements: str
    required: true
  rules:
    description: The alert rules as the provisioning API takes them, each with a V(uid).
    type: list
    elements: dict
    default: []
  rule_uids:
    description: The identifiers of all rules that the set may have.
    type: list
    elements: str
    default: []
  contact_points:
    description: The contact points, one entry for each integration.
    type: list
    elements: dict
    default: []
    suboptions:
      uid:
        description: Its identifier.
        type: str
        required: true
      name:
        description: Its name.
        type: str
        required: true
      type:
        description: The kind of integration, for example V(webhook).
        type: str
        required: true
      settings:
        description: The integration's settings, as the text of a JSON object. They may hold secrets.
        type: str
        required: true
  contact_point_uids:
    description: The identifiers of all contact points that the set may have.
    type: list
    elements: str
    default: []
author:
  - influx-anomaly
attributes:
  diff_mode:
    support: full
    description: Names each object that changes, and the first key that differs; it shows no values.
"""

EXAMPLES = r"""
- name: Ensure a data source and a dashboard
  influx_anomaly.stack.grafana_objects:
    url: https://grafana.example
    token: "{{ grafana_token }}"
    folder: {uid: ours, title: Ours}
    datasource:
      uid: ours
      name: Ours
      url: http://influx.example:8086
      database: anomaly
      user: reader
      password: "{{ reader_password }}"
    dashboards: ["{{ lookup('ansible.builtin.file', 'dashboard.json') | from_json }}"]
    dashboard_prefix: ours-
    dashboard_tags: [ours]
"""

RETURN = r"""
actions:
  description: The changes that were made, or would be made in check mode, in order.
  type: list
  elements: str
  returned: success
  sample: [created folder Ours, "updated dashboard Overview (panels[2].title)"]
kept:
  description: What is in the folder and not of the set; with O(state=absent), such things keep the folder.
  type: list
  elements: str
  returned: success
datasource_problem:
  description: Why the data source does not work; empty if it works, or if it does not exist yet.
  type: str
  returned: success
version:
  description: Grafana's version; empty if it does not tell.
  type: str
  returned: success
status:
  description: HTTP status of the answer that the module failed on; null if no answer came.
  type: int
  returned: when a request failed
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlencode

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.influx_anomaly.stack.plugins.module_utils.grafana_api import (
    OLDEST,
    Grafana,
    GrafanaError,
    is_too_old,
    segment,
)
from ansible_collections.influx_anomaly.stack.plugins.module_utils.http_api import CONNECTION_ARGUMENTS

Json = dict[str, Any]

RULES = "/api/v1/provisioning/alert-rules"
CONTACTS = "/api/v1/provisioning/contact-points"
# What every run needs, and what alerts need.
RIGHTS = (
    "folders:read", "folders:create", "folders:write", "folders:delete",
    "dashboards:read", "dashboards:create", "dashboards:write", "dashboards:delete",
    "datasources:read", "datasources:create", "datasources:write", "datasources:delete", "datasources:query",
)  # fmt: skip
ALERT_RIGHTS = ("alert.provisioning:read", "alert.provisioning:write", "alert.provisioning.secrets:read")
# The most that a search returns.
_PAGE = 5000


class Change(NamedTuple):
    """A request that changes something.

    Attributes:
        verb: what it does: `created`, `updated` or `removed`.
        what: the object's name for people.
        method: the request's method.
        path: its path.
        body: its body.
        where: the first key that an update changes.
    """

    verb: str
    what: str
    method: str
    path: str
    body: Any = None
    where: str = ""

    @property
    def action(self) -> str:
        """The change in words."""
        return f"{self.verb} {self.what}" + (f" ({self.where})" if self.where else "")


class Conflict(Exception):
    """Objects of others are in the way, or a receiver is missing; the message has a line for each of them."""


def run(grafana: Grafana, params: Mapping[str, Any], check_mode: bool) -> Json:
    """Bring the set into the described state, and return the module's result.

    Args:
        grafana: client of the server.
        params: the module's parameters.
        check_mode: whether to change nothing.

    Raises:
        Conflict: objects of others are in the way, or an alert rule names a receiver that nobody has.
        GrafanaError: a request failed, or the data source does not work in the end.
    """
    version = grafana.version()
    if is_too_old(version):
        raise GrafanaError(
            f"{grafana.url} is Grafana {version}, and alert rules that name their receivers need {OLDEST}. Fix: upgrade it."
        )
    check_rights(grafana, bool(params["rules"] or params["contact_points"]))
    planned = Plan(grafana, params, check_mode)
    changes = planned.present() if params["state"] == "present" else planned.absent()
    if planned.conflicts:
        raise Conflict("\n".join(planned.conflicts))
    if not check_mode:
        for change in changes:
            _send(grafana, change)
    problem = planned.datasource_problem
    # Without a change, the plan has found that it works.
    if changes and params["state"] == "present" and not check_mode:
        problem = grafana.health(params["datasource"]["uid"])
        if problem:
            raise GrafanaError(
                f"The data source {params['datasource']['name']!r} in {grafana.url} does not work: {problem} Fix: make "
                f"{params['datasource']['url']} an address at which Grafana reaches InfluxDB."
            )
    return {
        "changed": bool(changes),
        "actions": [change.action for change in changes],
        "kept": planned.kept,
        "datasource_problem": problem,
        "version": version,
        "diff": {
            "before": _lines(change.what for change in changes if change.verb != "created"),
            "after": _lines(
                f"{change.what} (with another {change.where})" if change.where else change.what
                for change in changes
                if change.verb != "removed"
            ),
        },
    }


def check_rights(grafana: Grafana, has_alerts: bool) -> None:
    """Check that the client may do what a run needs.

    Args:
        grafana: client of the server.
        has_alerts: whether there are alert rules or contact points to keep.

    Raises:
        GrafanaError: it may not.
    """
    actions = grafana.permissions()
    lacking = [right for right in (*RIGHTS, *(ALERT_RIGHTS if has_alerts else ())) if right not in actions]
    if lacking:
        raise GrafanaError(
            f"{grafana.url}: the account lacks the rights {', '.join(lacking)}. Fix: give it the role Admin of its "
            "organization, which has all of them."
        )


def _send(grafana: Grafana, change: Change) -> None:
    try:
        grafana.send(change.method, change.path, change.body)
    except GrafanaError as error:
        raise GrafanaError(
            f"The {change.what} could not be {change.verb}. {error}{_hint(change, error)}", error.status
        ) from error


def _hint(change: Change, error: GrafanaError) -> str:
    if change.path.startswith("/api/folders") and error.status in (409, 412):
        return " Fix: another title (grafana_folder), as a folder of this title is there already."
    if change.method == "DELETE" and change.path.startswith(CONTACTS):
        return " Fix: take the contact point out of the notification policies and rules that use it."
    return ""


def _lines(texts: Iterable[str]) -> str:
    return "".join(f"{text}\n" for text in texts)


class Plan:
    """What is to be done.

    Attributes:
        conflicts: why nothing may be done.
        kept: what others have in the folder.
        datasource_problem: why the data source does not work.
    """

    def __init__(self, grafana: Grafana, params: Mapping[str, Any], check_mode: bool) -> None:
        """Read what the steps have in common.

        Args:
            grafana: client of the server.
            params: the module's parameters.
            check_mode: whether nothing will be sent.
        """
        self.check_mode = check_mode
        self.grafana = grafana
        self.params = params
        self.folder: str = params["folder"]["uid"]
        self.folder_path = f"/api/folders/{segment(self.folder)}"
        self.source_path = f"/api/datasources/uid/{segment(params['datasource']['uid'])}"
        self.conflicts: list[str] = []
        self.kept: list[str] = []
        self.datasource_problem = ""
        # None where alerting is switched off.
        self.rules: list[Json] | None = grafana.find(RULES, list)
        self.contacts: list[Json] | None = grafana.find(CONTACTS, list)

    def present(self) -> list[Change]:
        """Return the changes that make everything as it is described."""
        if self.rules is None and (self.params["rules"] or self.params["contact_points"]):
            self.conflicts.append(
                f"{self.grafana.url} has no alerting. Fix: enable it there (unified_alerting), or empty "
                "grafana_alert_rules and grafana_contact_points."
            )
        return [
            *self._folder(),
            *self._datasource(),
            *self._dashboards(),
            # A rule needs its receiver, and a receiver stays while a rule needs it.
            *self._contact_points(),
            *self._rules(),
            *self._removed_rules({rule["uid"] for rule in self.params["rules"]}),
            *self._removed_contact_points({point["uid"] for point in self.params["contact_points"]}),
            *self._removed_dashboards({board["uid"] for board in self.params["dashboards"]}),
        ]

    def absent(self) -> list[Change]:
        """Return the changes that remove everything."""
        changes = [
            *self._removed_rules(set()),
            *self._removed_contact_points(set()),
            *self._removed_dashboards(set(), {board["uid"] for board in self.params["dashboards"]}),
        ]
        found = self.grafana.find(self.source_path)
        if found is not None:
            changes.append(Change("removed", f"data source {found['name']}", "DELETE", self.source_path))
        folder = self.grafana.find(self.folder_path)
        if folder is not None:
            ours = {*self.params["rule_uids"]}
            self.kept += [
                f"rule {rule['title']}"
                for rule in self.rules or []
                if rule["folderUID"] == self.folder and rule["uid"] not in ours
            ]
            if not self.kept:
                path = f"{self.folder_path}?forceDeleteRules=false"
                changes.append(Change("removed", f"folder {folder['title']}", "DELETE", path))
        return changes

    def _folder(self) -> list[Change]:
        wanted = self.params["folder"]
        found = self.grafana.find(self.folder_path)
        if found is None:
            return [Change("created", f"folder {wanted['title']}", "POST", "/api/folders", dict(wanted))]
        if found["title"] == wanted["title"]:
            return []
        body = {"title": wanted["title"], "overwrite": True}
        return [Change("updated", f"folder {wanted['title']}", "PUT", self.folder_path, body, "title")]

    def _datasource(self) -> list[Change]:
        source = self.params["datasource"]
        name = source["name"]
        wanted, secure = _datasource(source, self.check_mode)
        found = self.grafana.find(self.source_path)
        if found is None:
            other = self.grafana.find(f"/api/datasources/name/{segment(name)}")
            if other is not None:
                self.conflicts.append(
                    f"{self.grafana.url} has a data source {name!r} that the stack did not make. Fix: rename it there."
                )
            body = {**wanted, "isDefault": False, "secureJsonData": secure}
            return [Change("created", f"data source {name}", "POST", "/api/datasources", body)]
        if found.get("readOnly"):
            self.conflicts.append(
                f"The data source {name!r} in {self.grafana.url} is provisioned by a file there. Fix: take it out of "
                "that file."
            )
        self.datasource_problem = self.grafana.health(source["uid"])
        where = difference(wanted, found)
        if not where and self.datasource_problem:
            where = "password"
        if not where:
            return []
        body = {**wanted, "isDefault": found.get("isDefault", False), "secureJsonData": secure}
        return [Change("updated", f"data source {name}", "PUT", self.source_path, body, where)]

    def _dashboards(self) -> list[Change]:
        changes = []
        for board in self.params["dashboards"]:
            found = self.grafana.find(f"/api/dashboards/uid/{segment(board['uid'])}")
            what, where = f"dashboard {board.get('title', board['uid'])}", ""
            if found is not None:
                meta = found["meta"]
                if meta.get("folderUid", "") != self.folder or meta.get("provisioned"):
                    self.conflicts.append(
                        f"{self.grafana.url} has a dashboard with the uid {board['uid']!r} that the stack did not make: "
                        f"{found['dashboard'].get('title')!r} in the folder {meta.get('folderTitle', '')!r}. Fix: move, "
                        "rename or remove it there, or rename the pipeline (the uid of a dashboard of your own)."
                    )
                    continue
                where = difference(_content(board), found["dashboard"])
                if not where:
                    continue
            body = {
                "dashboard": {**board, "id": None},
                "folderUid": self.folder,
                "overwrite": True,
                "message": "influx-anomaly",
            }
            verb = "updated" if where else "created"
            changes.append(Change(verb, what, "POST", "/api/dashboards/db", body, where))
        return changes

    def _removed_dashboards(self, wanted: set[str], more: Iterable[str] = ()) -> list[Change]:
        query = urlencode({"type": "dash-db", "folderUIDs": self.folder, "limit": _PAGE})
        changes, removed = [], set(more)
        for board in self.grafana.read(f"/api/search?{query}", list):
            # What is removed does not depend on how Grafana filters a search.
            if board["uid"] in wanted or board.get("folderUid") != self.folder:
                continue
            is_ours = board["uid"].startswith(self.params["dashboard_prefix"]) and set(
                self.params["dashboard_tags"]
            ) <= set(board.get("tags", []))
            if not is_ours and board["uid"] not in removed:
                self.kept.append(f"dashboard {board['title']}")
                continue
            path = f"/api/dashboards/uid/{segment(board['uid'])}"
            changes.append(Change("removed", f"dashboard {board['title']}", "DELETE", path))
        return changes

    def _contact_points(self) -> list[Change]:
        ours = set(self.params["contact_point_uids"])
        there = {point["uid"]: point for point in self.contacts or []}
        theirs = {point["name"] for point in self.contacts or [] if point["uid"] not in ours}
        names = {point["name"] for point in self.params["contact_points"]}
        self.conflicts += [
            f"{self.grafana.url} has a contact point {name!r} that the stack did not make. Fix: another name in "
            "grafana_contact_points, or take it out there: rules may name a receiver that Grafana has."
            for name in sorted(names & theirs)
        ]
        for rule in self.params["rules"]:
            receiver = (rule.get("notification_settings") or {}).get("receiver")
            if receiver is not None and receiver not in names | theirs:
                self.conflicts.append(
                    f"The alert rule {rule['title']!r} has the receiver {receiver!r}, and {self.grafana.url} has no such "
                    "contact point. Fix: one of its contact points, or an entry in grafana_contact_points."
                )
        changes = []
        decrypted = self._decrypted() if any(point["uid"] in there for point in self.params["contact_points"]) else {}
        for point in self.params["contact_points"]:
            body = {**point, "settings": json.loads(point["settings"]), "disableResolveMessage": False}
            label = f"contact point {point['name']} {point['type']}"
            if point["uid"] not in there:
                changes.append(Change("created", label, "POST", CONTACTS, body))
                continue
            where = difference(
                {key: body[key] for key in ("name", "type", "settings")}, decrypted.get(point["uid"], {})
            )
            if where:
                changes.append(Change("updated", label, "PUT", f"{CONTACTS}/{segment(point['uid'])}", body, where))
        return changes

    def _decrypted(self) -> dict[str, Json]:
        """Return the contact points with their secrets, by their identifiers."""
        export = self.grafana.read(f"{CONTACTS}/export?decrypt=true&format=json")
        return {
            receiver["uid"]: {**receiver, "name": group["name"]}
            for group in export.get("contactPoints") or []
            for receiver in group["receivers"]
        }

    def _removed_contact_points(self, wanted: set[str]) -> list[Change]:
        ours = set(self.params["contact_point_uids"]) - wanted
        return [
            Change(
                "removed",
                f"contact point {point['name']} {point['type']}",
                "DELETE",
                f"{CONTACTS}/{segment(point['uid'])}",
            )
            for point in self.contacts or []
            if point["uid"] in ours
        ]

    def _rules(self) -> list[Change]:
        there = {rule["uid"]: rule for rule in self.rules or []}
        changes = []
        for rule in self.params["rules"]:
            wanted = {**rule, "folderUID": self.folder}
            found = there.get(rule["uid"])
            if found is None:
                changes.append(Change("created", f"rule {rule['title']}", "POST", RULES, wanted))
                continue
            where = difference(wanted, found)
            if where:
                # Who paused a rule by hand knows why.
                body = {**wanted, "isPaused": found.get("isPaused", False)}
                path = f"{RULES}/{segment(rule['uid'])}"
                changes.append(Change("updated", f"rule {rule['title']}", "PUT", path, body, where))
        return changes

    def _removed_rules(self, wanted: set[str]) -> list[Change]:
        ours = set(self.params["rule_uids"]) - wanted
        return [
            Change("removed", f"rule {rule['title']}", "DELETE", f"{RULES}/{segment(rule['uid'])}")
            for rule in self.rules or []
            if rule["uid"] in ours
        ]


def _datasource(source: Mapping[str, Any], check_mode: bool) -> tuple[Json, dict[str, str]]:
    """Return a data source as Grafana shows it, and its secrets."""
    settings: Json = {"dbName": source["database"], "httpMode": "POST"}
    secure = {"password": source["password"]}
    if source.get("ca_file"):
        settings["tlsAuthWithCACert"] = True
        path = Path(source["ca_file"])
        # A dry run on a bare host has made no certificate.
        secure["tlsCACert"] = "" if check_mode and not path.is_file() else path.read_text(encoding="utf-8")
    wanted = {
        "uid": source["uid"],
        "name": source["name"],
        "type": "influxdb",
        "access": "proxy",
        "url": source["url"],
        "user": source["user"],
        "basicAuth": False,
        "jsonData": settings,
    }
    return wanted, secure


def _content(dashboard: Mapping[str, Any]) -> Json:
    """Return a dashboard without what Grafana counts itself."""
    return {key: value for key, value in dashboard.items() if key not in ("id", "version")}


def difference(wanted: Any, found: Any) -> str:
    """Return where something first differs from what is wanted, such as `panels[3].title`; empty if it does not.

    Keys that only `found` has do not count, and a key that is missing there is null.

    Args:
        wanted: what is wanted.
        found: what Grafana has.
    """
    place = _difference(wanted, found)
    return "" if place is None else place.lstrip(".") or "all of it"


def _difference(wanted: Any, found: Any) -> str | None:
    """Return the place of the first difference, or None."""
    steps: Sequence[tuple[str, Any, Any]]
    if isinstance(wanted, Mapping) and isinstance(found, Mapping):
        steps = [(f".{key}", value, found.get(key)) for key, value in wanted.items()]
    elif isinstance(wanted, list) and isinstance(found, list) and len(wanted) == len(found):
        steps = [(f"[{at}]", *pair) for at, pair in enumerate(zip(wanted, found))]  # noqa: B905 - equally long
    else:
        return None if wanted == found and isinstance(wanted, bool) == isinstance(found, bool) else ""
    for step, inner, other in steps:
        place = _difference(inner, other)
        if place is not None:
            return step + place
    return None


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        argument_spec={
            **CONNECTION_ARGUMENTS,
            "token": {"type": "str", "no_log": True},
            "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
            "folder": {
                "type": "dict",
                "required": True,
                "options": {name: {"type": "str", "required": True} for name in ("uid", "title")},
            },
            "datasource": {
                "type": "dict",
                "required": True,
                "options": {
                    **{name: {"type": "str", "required": True} for name in ("uid", "name", "url", "database", "user")},
                    "password": {"type": "str", "default": "", "no_log": True},
                    "ca_file": {"type": "path"},
                },
            },
            "dashboards": {"type": "list", "elements": "dict", "default": []},
            "dashboard_prefix": {"type": "str", "required": True},
            "dashboard_tags": {"type": "list", "elements": "str", "required": True},
            "rules": {"type": "list", "elements": "dict", "default": []},
            "rule_uids": {"type": "list", "elements": "str", "default": []},
            "contact_points": {
                "type": "list",
                "elements": "dict",
                "default": [],
                "options": {
                    **{name: {"type": "str", "required": True} for name in ("uid", "name", "type")},
                    "settings": {"type": "str", "required": True, "no_log": True},
                },
            },
            "contact_point_uids": {"type": "list", "elements": "str", "default": []},
        },
        supports_check_mode=True,
        mutually_exclusive=[("token", "username")],
    )
    ca_path = module.params["ca_path"]
    if ca_path and not Path(ca_path).is_file():
        module.fail_json(
            msg=f"ca_path={ca_path} is not a file. Fix: copy the certificates of the authorities there, in PEM."
        )
    try:
        result = run(Grafana.from_params(module.params), module.params, module.check_mode)
    except GrafanaError as error:
        module.fail_json(msg=str(error), status=error.status)
    except (Conflict, OSError) as error:
        module.fail_json(msg=str(error))
    module.exit_json(**result)


if __name__ == "__main__":
    main()
