"""A double of Grafana's HTTP API, as strict as Grafana 11 and 12 are where the module grafana_objects depends on it.

It follows Grafana's documentation of the API and, where that is silent, what its handlers do: secrets are never shown
but in a decrypted export, rules get keys of their own, a folder takes its dashboards along when it is removed, and a
contact point that a rule or a policy uses stays.
"""

from __future__ import annotations

import base64
import json
import re
import secrets
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

Json = dict[str, Any]
Answer = tuple[int, Any]

ADMIN = (
    "folders:read", "folders:create", "folders:write", "folders:delete", "dashboards:read", "dashboards:create",
    "dashboards:write", "dashboards:delete", "datasources:read", "datasources:create", "datasources:write",
    "datasources:delete", "datasources:query", "alert.provisioning:read", "alert.provisioning:write",
    "alert.provisioning.secrets:read", "users:read",
)  # fmt: skip
# The settings that Grafana keeps encrypted, by the kind of integration.
SECRET_SETTINGS = {"webhook": ("password", "authorization_credentials"), "slack": ("url", "token")}
REDACTED = "[REDACTED]"
_UID = re.compile(r"[a-zA-Z0-9_-]{1,40}")


class Refused(Exception):
    """A request that Grafana does not carry out."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.message = message


@dataclass
class GrafanaDouble:
    """The state of the server.

    Attributes:
        token: of the service account.
        password: of the user admin.
        version: of Grafana; empty if it does not tell.
        actions: what the account may do.
        works: tells whether a data source works with a password.
        requests: every request that changes something, as method and path.
        used: names of contact points that the notification policies use.
        has_alerting: whether alerting is switched on.
        page: an answer that a proxy gives instead of Grafana.
    """

    token: str = field(default_factory=lambda: "glsa_" + secrets.token_hex(16))
    password: str = field(default_factory=lambda: secrets.token_hex(16))
    version: str = "11.6.16"
    actions: list[str] = field(default_factory=lambda: list(ADMIN))
    works: Callable[[Json, str], str] = lambda _source, _password: ""
    requests: list[str] = field(default_factory=list)
    used: set[str] = field(default_factory=set)
    has_alerting: bool = True
    page: Answer | None = None
    url: str = ""
    folders: dict[str, Json] = field(default_factory=dict)
    sources: dict[str, Json] = field(default_factory=dict)
    source_secrets: dict[str, dict[str, str]] = field(default_factory=dict)
    boards: dict[str, Json] = field(default_factory=dict)
    rules: dict[str, Json] = field(default_factory=dict)
    contacts: dict[str, Json] = field(default_factory=dict)
    ids: int = 0

    def answer(self, method: str, target: str, headers: dict[str, str], body: Json | None) -> Answer:
        """Return status and content of an answer."""
        parts = urlsplit(target)
        path, query = [unquote(part) for part in parts.path.split("/")[2:]], parse_qs(parts.query)
        if self.page is not None:
            return self.page
        if path == ["health"]:
            told = {"version": self.version, "commit": "0"} if self.version else {}
            return 200, {"database": "ok", **told}
        try:
            self._authenticate(headers)
            if method != "GET":
                self.requests.append(f"{method} {parts.path}")
            return self._route(method, path, query, headers, body)
        except Refused as refused:
            return refused.status, {"message": refused.message}

    def _authenticate(self, headers: dict[str, str]) -> None:
        given = headers.get("authorization", "")
        basic = base64.b64encode(f"admin:{self.password}".encode()).decode()
        if given.startswith("Bearer ") and given != f"Bearer {self.token}":
            raise Refused(401, "Invalid API key")
        if given.startswith("Basic ") and given != f"Basic {basic}":
            raise Refused(401, "Invalid username or password")
        if not given:
            raise Refused(401, "Unauthorized")

    def _route(
        self, method: str, path: list[str], query: dict[str, list[str]], headers: dict[str, str], body: Json | None
    ) -> Answer:
        match method, path:
            case "GET", ["access-control", "user", "permissions"]:
                return 200, {action: ["*"] for action in self.actions}
            case "GET", ["search"]:
                return 200, self._search(query)
            case _, ["folders", *rest]:
                return self._folders(method, rest, query, body or {})
            case _, ["datasources", *rest]:
                return self._datasources(method, rest, body or {})
            case _, ["dashboards", *rest]:
                return self._dashboards(method, rest, body or {})
            case _, ["v1", "provisioning", kind, *rest] if self.has_alerting:
                self._may("alert.provisioning:" + ("read" if method == "GET" else "write"))
                provenance = "" if "x-disable-provenance" in headers else "api"
                if kind == "alert-rules":
                    return self._alert_rules(method, rest, body or {}, provenance)
                if kind == "contact-points":
                    return self._contact_points(method, rest, query, body or {}, provenance)
        raise Refused(404, "Not found")

    def _may(self, action: str) -> None:
        if action not in self.actions:
            raise Refused(
                403, f"You'll need additional permissions to perform this action. Permissions needed: {action}"
            )

    def _id(self) -> int:
        self.ids += 1
        return self.ids

    def _search(self, query: dict[str, list[str]]) -> list[Json]:
        assert query["type"] == ["dash-db"]
        return [
            {
                "id": board["dashboard"]["id"],
                "uid": uid,
                "title": board["dashboard"]["title"],
                "type": "dash-db",
                "tags": board["dashboard"].get("tags", []),
                "folderUid": board["folder"],
            }
            for uid, board in self.boards.items()
            if board["folder"] in query["folderUIDs"]
        ]

    def _folders(self, method: str, rest: list[str], query: dict[str, list[str]], body: Json) -> Answer:
        if method == "POST":
            self._may("folders:create")
            if body["title"] in {folder["title"] for folder in self.folders.values()}:
                raise Refused(409, "a folder with the same name already exists in the current location")
            self.folders[_uid(body["uid"])] = {
                "id": self._id(),
                "uid": body["uid"],
                "title": body["title"],
                "version": 1,
            }
            return 200, self.folders[body["uid"]]
        folder = _known(self.folders, rest[0], "folder not found")
        if method == "PUT":
            self._may("folders:write")
            if not body.get("overwrite") and body.get("version") != folder["version"]:
                raise Refused(412, "the folder has been changed by someone else")
            folder.update(title=body["title"], version=folder["version"] + 1)
        elif method == "DELETE":
            self._may("folders:delete")
            rules = [uid for uid, rule in self.rules.items() if rule["folderUID"] == rest[0]]
            if rules and query.get("forceDeleteRules") != ["true"]:
                raise Refused(400, "folder cannot be deleted: folder is not empty")
            self.boards = {uid: board for uid, board in self.boards.items() if board["folder"] != rest[0]}
            self.folders.pop(rest[0])
        return 200, folder

    def _datasources(self, method: str, rest: list[str], body: Json) -> Answer:
        if method == "POST":
            self._may("datasources:create")
            if {body["name"], body["uid"]} & {
                source[key] for source in self.sources.values() for key in ("name", "uid")
            }:
                raise Refused(409, "data source with the same name already exists")
            return 200, {"datasource": self._save_source(_uid(body["uid"]), body), "message": "Datasource added"}
        if rest[0] == "name":
            by_name = {source["name"]: source for source in self.sources.values()}
            return 200, _known(by_name, rest[1], "Data source not found")
        assert rest[0] == "uid"
        source = _known(self.sources, rest[1], "Data source not found")
        if rest[2:] == ["health"]:
            self._may("datasources:query")
            wrong = self.works(source, self.source_secrets[rest[1]].get("password", ""))
            return (400, {"message": wrong, "status": "ERROR"}) if wrong else (200, {"message": "ok", "status": "OK"})
        if method == "GET":
            return 200, source
        if source["readOnly"]:
            raise Refused(403, "Cannot update read-only data source")
        if method == "PUT":
            self._may("datasources:write")
            return 200, {"datasource": self._save_source(rest[1], body), "message": "Datasource updated"}
        self._may("datasources:delete")
        self.sources.pop(rest[1])
        return 200, {"message": "Data source deleted", "id": source["id"]}

    def _save_source(self, uid: str, body: Json) -> Json:
        hidden = self.source_secrets.setdefault(uid, {})
        hidden.update(body.get("secureJsonData") or {})
        shown = {key: value for key, value in body.items() if key != "secureJsonData"}
        self.sources[uid] = {
            "id": self.sources.get(uid, {}).get("id") or self._id(),
            "orgId": 1,
            "password": "",
            "withCredentials": False,
            **shown,
            "secureJsonFields": dict.fromkeys(hidden, True),
            "readOnly": False,
        }
        return self.sources[uid]

    def _dashboards(self, method: str, rest: list[str], body: Json) -> Answer:
        if method == "POST" and rest == ["db"]:
            self._may("dashboards:write")
            board, folder = body["dashboard"], body.get("folderUid", "")
            if folder and folder not in self.folders:
                raise Refused(400, "folder not found")
            uid = _uid(board["uid"])
            before = self.boards.get(uid)
            if before is not None and not body.get("overwrite"):
                raise Refused(412, "A dashboard with the same uid already exists")
            version = before["dashboard"]["version"] + 1 if before else 1
            stored = {**board, "id": before["dashboard"]["id"] if before else self._id(), "version": version}
            self.boards[uid] = {"dashboard": stored, "folder": folder}
            return 200, {"id": stored["id"], "uid": uid, "status": "success", "version": version}
        assert rest[0] == "uid"
        board = _known(self.boards, rest[1], "Dashboard not found")
        if method == "DELETE":
            self._may("dashboards:delete")
            self.boards.pop(rest[1])
            return 200, {"title": board["dashboard"]["title"], "message": "deleted"}
        title = self.folders.get(board["folder"], {}).get("title", "Dashboards")
        meta = {"folderUid": board["folder"], "folderTitle": title, "provisioned": board.get("provisioned", False)}
        return 200, {"dashboard": board["dashboard"], "meta": meta}

    def _alert_rules(self, method: str, rest: list[str], body: Json, provenance: str) -> Answer:
        if method == "GET":
            return 200, list(self.rules.values())
        if method == "POST":
            uid = _uid(body["uid"])
            if uid in self.rules:
                raise Refused(400, "a conflicting alert rule is found: rule UID under the same organisation")
            self.rules[uid] = self._rule(body, provenance, self._id())
            return 201, self.rules[uid]
        before = _known(self.rules, rest[0], "")
        if before.get("provenance", "") not in ("", provenance):
            raise Refused(409, f"cannot change provenance from '{before['provenance']}' to '{provenance}'")
        if method == "DELETE":
            self.rules.pop(rest[0])
            return 204, None
        self.rules[rest[0]] = self._rule({**body, "uid": rest[0]}, provenance, before["id"])
        return 200, self.rules[rest[0]]

    def _rule(self, body: Json, provenance: str, number: int) -> Json:
        if body["folderUID"] not in self.folders:
            raise Refused(400, "folder does not exist")
        if not {"title", "ruleGroup", "condition", "data", "for", "noDataState", "execErrState"} <= body.keys():
            raise Refused(400, "invalid alert rule")
        told = body.get("notification_settings")
        if told is not None and told["receiver"] not in {point["name"] for point in self.contacts.values()}:
            raise Refused(400, f"receiver {told['receiver']} does not exist")
        data = [
            {"queryType": "", **step, "model": {**step["model"], "intervalMs": 1000, "maxDataPoints": 43200}}
            for step in body["data"]
        ]
        # Empty settings are left out of the answers, and so are keys that rules do not have.
        names = ("uid", "title", "ruleGroup", "folderUID", "condition", "for", "noDataState", "execErrState")
        kept = {name: body[name] for name in names}
        if told is not None:
            kept["notification_settings"] = told
        if provenance:
            kept["provenance"] = provenance
        more = {name: body.get(name, {}) for name in ("annotations", "labels")}
        return {**kept, **more, "id": number, "orgID": 1, "data": data, "isPaused": body.get("isPaused", False)}

    def _contact_points(
        self, method: str, rest: list[str], query: dict[str, list[str]], body: Json, provenance: str
    ) -> Answer:
        if method == "GET" and rest == ["export"]:
            return 200, self._export(query)
        if method == "GET":
            return 200, [self._shown(point) for point in self.contacts.values()]
        if method == "POST":
            self.contacts[_uid(body["uid"])] = _contact(body, provenance)
            return 202, self._shown(self.contacts[body["uid"]])
        before = _known(self.contacts, rest[0], "contact point not found")
        if method == "PUT":
            self.contacts[rest[0]] = _contact({**body, "uid": rest[0]}, provenance)
            return 202, {"message": "contactpoint updated"}
        name = before["name"]
        rules = (rule.get("notification_settings") or {} for rule in self.rules.values())
        if name in self.used or name in {told.get("receiver") for told in rules}:
            raise Refused(409, f"contact point '{name}' is currently used by a notification policy or an alert rule")
        self.contacts.pop(rest[0])
        return 202, {"message": "contactpoint deleted"}

    def _shown(self, point: Json, is_decrypted: bool = False) -> Json:
        hidden = () if is_decrypted else SECRET_SETTINGS.get(point["type"], ())
        settings = {key: REDACTED if key in hidden else value for key, value in point["settings"].items()}
        return {**point, "settings": settings}

    def _export(self, query: dict[str, list[str]]) -> Json:
        is_decrypted = query.get("decrypt") == ["true"]
        if is_decrypted:
            self._may("alert.provisioning.secrets:read")
        assert query.get("format") == ["json"], "the default is YAML"
        groups: dict[str, list[Json]] = {}
        for point in self.contacts.values():
            shown = self._shown(point, is_decrypted)
            receiver = {key: shown[key] for key in ("uid", "type", "settings", "disableResolveMessage")}
            groups.setdefault(point["name"], []).append(receiver)
        points = [{"orgId": 1, "name": name, "receivers": receivers} for name, receivers in groups.items()]
        return {"apiVersion": 1, "contactPoints": points}


def _uid(text: str) -> str:
    if not _UID.fullmatch(text):
        raise Refused(400, "uid contains illegal characters or is too long")
    return text


def _known(objects: dict[str, Json], key: str, message: str) -> Json:
    if key not in objects:
        raise Refused(404, message)
    return objects[key]


def _contact(body: Json, provenance: str) -> Json:
    if not body.get("settings"):
        raise Refused(400, "invalid object specification: settings should not be empty")
    kept = {key: body[key] for key in ("uid", "name", "type", "settings")}
    told = {"provenance": provenance} if provenance else {}
    return {**kept, "disableResolveMessage": body.get("disableResolveMessage", False), **told}


@contextmanager
def serving(double: GrafanaDouble, address: str = "127.0.0.1", port: int = 0) -> Iterator[GrafanaDouble]:
    """Serve a double, and set its URL.

    Args:
        double: the state.
        address: the address to listen on.
        port: the port; 0 means any.
    """

    class Handler(BaseHTTPRequestHandler):
        def _serve(self) -> None:
            text = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            if text and self.headers["Content-Type"] != "application/json":
                status, content = 415, {"message": "unsupported media type"}
            else:
                body = json.loads(text) if text else None
                headers = {name.lower(): value for name, value in self.headers.items()}
                status, content = double.answer(self.command, self.path, headers, body)
            data = content.encode() if isinstance(content, str) else json.dumps(content).encode()
            self.send_response(status)
            if status in (301, 302, 307, 308):
                self.send_header("Location", "https://elsewhere.example/")
            self.send_header("Content-Length", str(0 if status == 204 else len(data)))
            self.end_headers()
            if status != 204:
                self.wfile.write(data)

        do_GET = do_POST = do_PUT = do_DELETE = _serve

        def log_message(self, *_: Any) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer((address, port), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    double.url = f"http://{address}:{server.server_address[1]}"
    try:
        yield double
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
