#!/usr/bin/python
# SPDX-License-Identifier: MIT
"""Ansible module that keeps databases, retention policies, users and grants of InfluxDB 1.x, from one description."""

from __future__ import annotations

DOCUMENTATION = r"""
---
module: influxdb_schema
short_description: Keep databases, retention policies, users and grants of InfluxDB 1.x
description:
  - Compares InfluxDB's state with the description, and runs only the missing statements. The module leaves databases,
    retention policies and users outside of the description alone, and never drops anything.
  - While InfluxDB has no users at all, it accepts a single statement, the creation of an admin. The module then creates
    O(username) with O(password).
  - The module checks a password by logging in. If the login fails, the account is somebody else's unless it has the
    user's C(previous_password) or O(take_over) names it, and the module fails before it changes anything.
  - The module needs only Python's standard library and supports InfluxDB 1.8 to 1.12.
extends_documentation_fragment: [influx_anomaly.stack.connection, influx_anomaly.stack.connection.state]
options:
  username:
    description: The admin that changes things.
    type: str
    required: true
  password:
    description: Password of O(username).
    type: str
    required: true
  previous_password:
    description:
      - Password that O(username) may still have. If InfluxDB refuses O(password), the module logs in with this one, and
        sets O(password).
    type: str
  databases:
    description: The databases that must exist.
    type: list
    elements: dict
    default: []
    suboptions:
      name:
        description: Name of the database.
        type: str
        required: true
      retention_policies:
        description: The retention policies that must exist. V(autogen) comes with every new database.
        type: list
        elements: dict
        default: []
        suboptions:
          name:
            description: Name of the retention policy.
            type: str
            required: true
          duration:
            description:
              - How long InfluxDB keeps data, for example V(30d), or V(INF). InfluxDB's minimum is V(1h).
              - If the option is omitted, the module creates a missing policy with V(INF), and keeps the duration of an
                existing policy. A shorter duration deletes older data.
            type: str
          shard_duration:
            description: Time that one shard group covers. InfluxDB chooses it if the option is omitted.
            type: str
          default:
            description: Whether this becomes the database's default policy. V(false) does not change the default policy.
            type: bool
            default: false
  users:
    description: The users that must exist, besides O(username).
    type: list
    elements: dict
    default: []
    suboptions:
      name:
        description: Name of the user.
        type: str
        required: true
      password:
        description: Password of the user.
        type: str
        required: true
      previous_password:
        description: Password that the user may still have. An account that has it is not somebody else's.
        type: str
      admin:
        description: Whether the user is an admin.
        type: bool
        default: false
      grants:
        description:
          - Mapping of a database to V(READ), V(WRITE) or V(ALL). The module revokes other privileges on the databases of
            O(databases), and leaves privileges on any other database alone. An admin needs no grants.
        type: dict
        default: {}
  take_over:
    description:
      - Names of O(users) that may exist with another password. The module sets the described password, and changes the
        rights. Other accounts with another password are refused, as whoever uses them would be locked out.
    type: list
    elements: str
    default: []
notes:
  - In check mode the module only reads.
author:
  - influx-anomaly
attributes:
  diff_mode:
    support: full
    description: Shows the statements, without passwords.
"""

EXAMPLES = r"""
- name: Ensure a database, a reader and a writer exist
  influx_anomaly.stack.influxdb_schema:
    url: http://127.0.0.1:8086
    username: admin
    password: "{{ influxdb_admin_password }}"
    databases:
      - name: telemetry
        retention_policies:
          - name: month
            duration: 30d
            default: true
    users:
      - name: reader
        password: "{{ reader_password }}"
        grants:
          telemetry: READ
      - name: writer
        password: "{{ writer_password }}"
        grants:
          telemetry: WRITE
"""

RETURN = r"""
statements:
  description: The statements that were run, or would be run in check mode, with passwords replaced by C('…').
  type: list
  elements: str
  returned: success
  sample: [CREATE DATABASE "telemetry"]
version:
  description: InfluxDB's version, from its answer to a ping.
  type: str
  returned: success
admin_created:
  description: Whether InfluxDB had no users, and O(username) was created.
  type: bool
  returned: success
foreign:
  description: The users that exist with another password and that O(take_over) does not name.
  type: list
  elements: str
  returned: when there are such users
status:
  description: HTTP status of the answer that the module failed on; null if no answer came.
  type: int
  returned: when a request failed
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.influx_anomaly.stack.plugins.module_utils.http_api import CONNECTION_ARGUMENTS
from ansible_collections.influx_anomaly.stack.plugins.module_utils.influxdb_api import (
    NO_ADMIN_YET,
    InfluxApi,
    InfluxApiError,
    duration_ns,
    identifier,
    privileges,
    string,
)

PRIVILEGES = ("READ", "WRITE", "ALL")


@dataclass(frozen=True)
class Statement:
    """A statement of InfluxQL.

    Attributes:
        text: the statement to run.
        shown: the statement without secrets.
    """

    text: str
    shown: str


@dataclass(frozen=True)
class State:
    """The databases and users that InfluxDB has.

    Attributes:
        policies: retention policies by database and name, as InfluxDB describes them.
        users: whether each user is an admin.
        grants: privileges by user and database.
        welcome: users whose password is the described one.
        former: users whose password is the one that the description calls their previous one.
    """

    policies: Mapping[str, Mapping[str, Mapping[str, Any]]]
    users: Mapping[str, bool]
    grants: Mapping[str, Mapping[str, str]]
    welcome: frozenset[str]
    former: frozenset[str] = frozenset()


NOTHING = State({}, {}, {}, frozenset())


class ForeignAccountsError(Exception):
    """InfluxDB has users of the described names with other passwords.

    Attributes:
        names: the users.
    """

    def __init__(self, names: Sequence[str]) -> None:
        self.names = tuple(names)
        listed = ", ".join(repr(name) for name in names)
        super().__init__(
            f"InfluxDB has {listed} already, and their passwords are not the described ones: whoever uses these accounts "
            "would be locked out. Nothing was changed. Fix: describe other names, describe the passwords that they "
            "have, or name in take_over the accounts that may be changed."
        )


def plain(text: str) -> Statement:
    """Return a statement without secrets."""
    return Statement(text, text)


def create_user(name: str, password: str, admin: bool) -> Statement:
    """Return the statement that creates a user."""
    rights = " WITH ALL PRIVILEGES" if admin else ""
    return Statement(
        f"CREATE USER {identifier(name)} WITH PASSWORD {string(password)}{rights}",
        f"CREATE USER {identifier(name)} WITH PASSWORD '…'{rights}",
    )


def set_password(name: str, password: str) -> Statement:
    """Return the statement that sets a user's password."""
    return Statement(
        f"SET PASSWORD FOR {identifier(name)} = {string(password)}", f"SET PASSWORD FOR {identifier(name)} = '…'"
    )


def read_state(influx: InfluxApi, databases: Sequence[Mapping[str, Any]], users: Sequence[Mapping[str, Any]]) -> State:
    """Read InfluxDB's state of the described databases and users."""
    there = {str(row["name"]) for row in influx.rows("SHOW DATABASES")}
    admins = {str(row["user"]): bool(row["admin"]) for row in influx.rows("SHOW USERS")}
    known_users = [user for user in users if user["name"] in admins]
    welcome = frozenset(
        user["name"] for user in known_users if influx.as_user(user["name"], user["password"]).accepts()
    )
    former = frozenset(
        user["name"]
        for user in known_users
        if user["name"] not in welcome
        and user.get("previous_password")
        and influx.as_user(user["name"], user["previous_password"]).accepts()
    )
    return State(
        policies={
            database["name"]: {
                str(row["name"]): row
                for row in influx.rows(f"SHOW RETENTION POLICIES ON {identifier(database['name'])}")
            }
            for database in databases
            if database["name"] in there
        },
        users=admins,
        grants={
            user["name"]: privileges(influx.rows(f"SHOW GRANTS FOR {identifier(user['name'])}")) for user in known_users
        },
        welcome=welcome,
        former=former,
    )


def foreign_accounts(state: State, users: Sequence[Mapping[str, Any]], take_over: Sequence[str]) -> list[str]:
    """Return the described users that exist with another password and must not be changed.

    Args:
        state: InfluxDB's state.
        users: the described users.
        take_over: the users whose accounts may be changed all the same.
    """
    there = [str(user["name"]) for user in users if user["name"] in state.users]
    return [name for name in there if name not in state.welcome | state.former and name not in take_over]


def plan(state: State, databases: Sequence[Mapping[str, Any]], users: Sequence[Mapping[str, Any]]) -> list[Statement]:
    """Return the statements that bring a state to the description, in an order in which they can run.

    Args:
        state: InfluxDB's state.
        databases: the described databases.
        users: the described users.
    """
    statements: list[Statement] = []
    for database in databases:
        statements += _plan_database(database, state.policies.get(database["name"]))
    described = [str(database["name"]) for database in databases]
    for user in users:
        statements += _plan_user(user, state, described)
    return statements


def _plan_database(database: Mapping[str, Any], here: Mapping[str, Mapping[str, Any]] | None) -> Iterator[Statement]:
    name = identifier(database["name"])
    if here is None:
        yield plain(f"CREATE DATABASE {name}")
        # InfluxDB gives every new database this policy.
        here = {"autogen": {"duration": "0s", "shardGroupDuration": "168h0m0s", "default": True}}
    for policy in database["retention_policies"]:
        target = f"RETENTION POLICY {identifier(policy['name'])} ON {name}"
        now = here.get(policy["name"])
        if now is None:
            shards = f" SHARD DURATION {policy['shard_duration']}" if policy["shard_duration"] else ""
            default = " DEFAULT" if policy["default"] else ""
            yield plain(f"CREATE {target} DURATION {policy['duration'] or 'INF'} REPLICATION 1{shards}{default}")
            continue
        changes = ""
        if policy["duration"] and duration_ns(policy["duration"]) != duration_ns(str(now["duration"])):
            changes += f" DURATION {policy['duration']}"
        if policy["shard_duration"] and duration_ns(policy["shard_duration"]) != duration_ns(
            str(now["shardGroupDuration"])
        ):
            changes += f" SHARD DURATION {policy['shard_duration']}"
        if policy["default"] and not now["default"]:
            changes += " DEFAULT"
        if changes:
            yield plain(f"ALTER {target}{changes}")


def _plan_user(user: Mapping[str, Any], state: State, databases: Sequence[str]) -> Iterator[Statement]:
    name = user["name"]
    if name not in state.users:
        yield create_user(name, user["password"], user["admin"])
    else:
        if name not in state.welcome:
            yield set_password(name, user["password"])
        if user["admin"] and not state.users[name]:
            yield plain(f"GRANT ALL PRIVILEGES TO {identifier(name)}")
        elif not user["admin"] and state.users[name]:
            yield plain(f"REVOKE ALL PRIVILEGES FROM {identifier(name)}")
    here = state.grants.get(name, {})
    for database in sorted({*databases, *user["grants"]}):
        now, wanted = here.get(database), user["grants"].get(database)
        if now == wanted:
            continue
        if now is not None:
            # Granting WRITE does not revoke READ: the two would add up.
            yield plain(f"REVOKE ALL ON {identifier(database)} FROM {identifier(name)}")
        if wanted is not None:
            yield plain(f"GRANT {wanted} ON {identifier(database)} TO {identifier(name)}")


def problems(params: Mapping[str, Any]) -> list[str]:
    """Return the problems of the module's parameters beyond their types."""
    sentences = []
    for database in params["databases"]:
        for policy in database["retention_policies"]:
            for key in ("duration", "shard_duration"):
                try:
                    duration_ns(policy[key] or "INF")
                except ValueError as error:
                    sentences.append(
                        f"database {database['name']!r}, retention policy {policy['name']!r}: {key}: {error}"
                    )
    names = [user["name"] for user in params["users"]]
    sentences += [
        f"take_over: {name!r} is none of users, which are {', '.join(names) or 'none'}. Fix: correct the name, or remove it."
        for name in params["take_over"]
        if name not in names
    ]
    sentences += [
        f"users: {name!r} is there twice." for name in sorted({name for name in names if names.count(name) > 1})
    ]
    if params["username"] in names:
        sentences.append(f"users: {params['username']!r} is username as well, which needs no entry.")
    for user in params["users"]:
        sentences += [
            f"user {user['name']!r}: the grant on {database!r} is {privilege!r}; write one of {', '.join(PRIVILEGES)}."
            for database, privilege in user["grants"].items()
            if privilege not in PRIVILEGES
        ]
    return sentences


def run(influx: InfluxApi, params: Mapping[str, Any], check_mode: bool) -> dict[str, Any]:
    """Bring InfluxDB into the described state, and return the module's result.

    Args:
        influx: client of the server, for the admin.
        params: the module's parameters.
        check_mode: whether to change nothing.

    Raises:
        InfluxApiError: a request or a statement failed.
        ForeignAccountsError: accounts of the described names are somebody else's.
    """
    databases, users = params["databases"], params["users"]
    version = influx.version()
    statements: list[Statement] = []
    admin_created = False
    try:
        influx.query("SHOW DATABASES")
    except InfluxApiError as error:
        if error.status == 403 and NO_ADMIN_YET in str(error):
            admin_created = True
            first = create_user(params["username"], params["password"], admin=True)
            may_change = influx
        elif error.status == 401 and params.get("previous_password"):
            first = set_password(params["username"], params["password"])
            may_change = influx.as_user(params["username"], params["previous_password"])
            if not may_change.accepts():
                raise
        else:
            raise
        statements.append(first)
        if check_mode:
            influx = may_change
        else:
            may_change.query(first.text)
    state = NOTHING if admin_created and check_mode else read_state(influx, databases, users)
    if foreign := foreign_accounts(state, users, params["take_over"]):
        raise ForeignAccountsError(foreign)
    rest = plan(state, databases, users)
    if not check_mode:
        for statement in rest:
            influx.query(statement.text)
    shown = [statement.shown for statement in statements + rest]
    return {
        "changed": bool(shown),
        "statements": shown,
        "version": version,
        "admin_created": admin_created,
        "diff": {"before": "", "after": "".join(f"{line}\n" for line in shown)},
    }


def main() -> None:
    """Run the module."""
    policy = {
        "name": {"type": "str", "required": True},
        "duration": {"type": "str"},
        "shard_duration": {"type": "str"},
        "default": {"type": "bool", "default": False},
    }
    database = {
        "name": {"type": "str", "required": True},
        "retention_policies": {"type": "list", "elements": "dict", "default": [], "options": policy},
    }
    user = {
        "name": {"type": "str", "required": True},
        "password": {"type": "str", "required": True, "no_log": True},
        "previous_password": {"type": "str", "no_log": True},
        "admin": {"type": "bool", "default": False},
        "grants": {"type": "dict", "default": {}},
    }
    module = AnsibleModule(
        argument_spec={
            **CONNECTION_ARGUMENTS,
            "username": {"type": "str", "required": True},
            "password": {"type": "str", "required": True, "no_log": True},
            "previous_password": {"type": "str", "no_log": True},
            "databases": {"type": "list", "elements": "dict", "default": [], "options": database},
            "users": {"type": "list", "elements": "dict", "default": [], "options": user},
            "take_over": {"type": "list", "elements": "str", "default": []},
        },
        supports_check_mode=True,
    )
    wrong = problems(module.params)
    if wrong:
        module.fail_json(msg=" ".join(wrong))
    try:
        result = run(InfluxApi.from_params(module.params), module.params, module.check_mode)
    except InfluxApiError as error:
        module.fail_json(msg=str(error), status=error.status)
    except ForeignAccountsError as error:
        module.fail_json(msg=str(error), foreign=list(error.names))
    module.exit_json(**result)


if __name__ == "__main__":
    main()
