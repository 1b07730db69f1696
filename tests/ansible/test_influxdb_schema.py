"""The modules influxdb_schema and kapacitor_subscriptions: what they would do, from what InfluxDB says it has.

What InfluxDB then makes of it is tested with real ones in tests/integration.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any, ClassVar

import pytest
from ansible.module_utils.testing import patch_module_args
from ansible_collections.influx_anomaly.stack.plugins.module_utils.influxdb_api import (
    InfluxApi,
    InfluxApiError,
    duration_ns,
    identifier,
    privileges,
    string,
)
from ansible_collections.influx_anomaly.stack.plugins.modules import influxdb_schema, kapacitor_subscriptions

from tests.ansible.rendering import value

SCHEMA: Any = influxdb_schema
SUBSCRIPTIONS: Any = kapacitor_subscriptions

HOUR = 3600 * 10**9


def policy(name: str, **more: Any) -> dict[str, Any]:
    return {"name": name, "duration": None, "shard_duration": None, "default": False, **more}


def database(name: str, *policies: dict[str, Any]) -> dict[str, Any]:
    return {"name": name, "retention_policies": list(policies)}


def user(name: str, **more: Any) -> dict[str, Any]:
    return {"name": name, "password": "pass'word", "admin": False, "grants": {}, **more}


def statements(state: Any, databases: list[dict[str, Any]], users: list[dict[str, Any]]) -> list[str]:
    return [statement.shown for statement in SCHEMA.plan(state, databases, users)]


AUTOGEN = {"duration": "0s", "shardGroupDuration": "168h0m0s", "default": True}
THERE = SCHEMA.State(
    policies={"db": {"autogen": AUTOGEN, "week": {**AUTOGEN, "duration": "168h0m0s", "default": False}}},
    users={"reader": False, "boss": True},
    grants={"reader": {"db": "READ", "elsewhere": "ALL"}, "boss": {}},
    welcome=frozenset({"reader", "boss"}),
)


class TestPlan:
    def test_everything_that_is_there_needs_nothing(self) -> None:
        described = [database("db", policy("autogen"), policy("week", duration="7d"))]
        assert statements(THERE, described, [user("reader", grants={"db": "READ"}), user("boss", admin=True)]) == []

    def test_databases_come_before_grants_on_them(self) -> None:
        found = statements(SCHEMA.NOTHING, [database("new")], [user("u", grants={"new": "WRITE"})])
        assert found == ['CREATE DATABASE "new"', "CREATE USER \"u\" WITH PASSWORD '…'", 'GRANT WRITE ON "new" TO "u"']

    def test_autogen_comes_with_a_new_database(self) -> None:
        assert statements(SCHEMA.NOTHING, [database("new", policy("autogen"))], []) == ['CREATE DATABASE "new"']

    def test_a_policy_without_a_duration_is_made_for_ever_and_never_altered(self) -> None:
        assert statements(THERE, [database("db", policy("new"))], []) == [
            'CREATE RETENTION POLICY "new" ON "db" DURATION INF REPLICATION 1'
        ]
        assert statements(THERE, [database("db", policy("week"))], []) == []

    def test_a_policy_is_altered_where_it_differs(self) -> None:
        described = policy("week", duration="30d", shard_duration="1d", default=True)
        assert statements(THERE, [database("db", described)], []) == [
            'ALTER RETENTION POLICY "week" ON "db" DURATION 30d SHARD DURATION 1d DEFAULT'
        ]

    def test_a_policy_keeps_being_the_default(self) -> None:
        assert statements(THERE, [database("db", policy("autogen", default=False))], []) == []

    def test_a_password_that_does_not_work_is_set(self) -> None:
        state = SCHEMA.State(THERE.policies, THERE.users, THERE.grants, frozenset())
        (statement,) = SCHEMA.plan(state, [], [user("reader", grants={"elsewhere": "ALL"})][:1])[:1]
        assert statement.shown == "SET PASSWORD FOR \"reader\" = '…'"
        assert statement.text == r"""SET PASSWORD FOR "reader" = 'pass\'word'"""

    def test_a_right_that_is_too_much_is_taken_back(self) -> None:
        assert statements(THERE, [database("db")], [user("reader")]) == ['REVOKE ALL ON "db" FROM "reader"']

    def test_another_right_replaces_the_old_one(self) -> None:
        assert statements(THERE, [database("db")], [user("reader", grants={"db": "WRITE"})]) == [
            'REVOKE ALL ON "db" FROM "reader"',
            'GRANT WRITE ON "db" TO "reader"',
        ]

    def test_rights_elsewhere_are_not_ours(self) -> None:
        found = statements(THERE, [database("db")], [user("reader", grants={"db": "READ"})])
        assert not [statement for statement in found if "elsewhere" in statement]

    def test_admins_come_and_go(self) -> None:
        assert statements(THERE, [], [user("boss")]) == ['REVOKE ALL PRIVILEGES FROM "boss"']
        assert statements(THERE, [], [user("reader", admin=True)])[:1] == ['GRANT ALL PRIVILEGES TO "reader"']

    def test_no_password_is_shown(self) -> None:
        described = [user("a"), user("b", admin=True), user("reader")]
        state = SCHEMA.State(THERE.policies, THERE.users, THERE.grants, frozenset())
        assert not [line for line in statements(state, [database("db")], described) if "word" in line]


class TestTwoStacks:
    """Two stacks of the same defaults on one InfluxDB, which others use, too."""

    THEIRS: ClassVar[dict[str, bool]] = {"writer": False, "reader": True, "kapacitor": False, "trainer": False}

    def described(self, stack: str) -> list[dict[str, Any]]:
        url = "http://influx.example:8086"
        users = value("__influxdb_stack_users", "influxdb", stack_name=stack, influxdb_external_url=url)
        return [{"admin": False, "grants": {}, **each} for each in users]

    def state(self, *stacks: list[dict[str, Any]]) -> Any:
        """As the stacks have left it."""
        ours = [each for users in stacks for each in users]
        return SCHEMA.State(
            policies={"anomaly": {"autogen": AUTOGEN}},
            users=self.THEIRS | {each["name"]: each["admin"] for each in ours},
            grants={each["name"]: each["grants"] for each in ours},
            welcome=frozenset(each["name"] for each in ours),
        )

    def test_a_stack_names_its_accounts_by_itself(self) -> None:
        assert {each["name"] for each in self.described("north")} == {
            f"north_{name}" for name in ("kapacitor", "trainer", "writer", "reader", "console")
        }

    def test_the_second_changes_no_account_of_the_first_or_of_others(self) -> None:
        first, second = self.described("north"), self.described("south")
        found = statements(self.state(first), [database("anomaly")], second)
        assert found
        for line in found:
            names = re.findall(r'(?:USER|TO|FROM|FOR) "([^"]+)"', line)
            assert [name.split("_")[0] for name in names] == ["south"], line

    def test_neither_undoes_the_other(self) -> None:
        first, second = self.described("north"), self.described("south")
        both = self.state(first, second)
        for users in (first, second):
            assert statements(both, [database("anomaly")], users) == []

    def test_an_own_influxdb_keeps_its_names(self) -> None:
        users = value("__influxdb_stack_users", "influxdb", stack_name="north")
        assert [each["name"] for each in users] == ["kapacitor", "trainer", "writer", "reader", "console"]


class TestProblems:
    def problems(self, **more: Any) -> str:
        nothing: dict[str, Any] = {"username": "admin", "databases": [], "users": [], "take_over": []}
        found: list[str] = SCHEMA.problems({**nothing, **more})
        return " ".join(found)

    def test_a_sound_description_has_no_problems(self) -> None:
        described = [database("db", policy("p", duration="1h30m"))]
        assert self.problems(databases=described, users=[user("u", grants={"db": "ALL"})]) == ""

    @pytest.mark.parametrize(
        ("more", "words"),
        [
            (
                {"databases": [database("db", policy("p", duration="ever"))]},
                ["'db'", "'p'", "duration", "'ever'", "30d"],
            ),
            ({"users": [user("u", grants={"db": "read"})]}, ["'u'", "'db'", "'read'", "READ"]),
            ({"users": [user("u"), user("u")]}, ["'u'", "twice"]),
            ({"users": [user("admin")]}, ["'admin'", "username"]),
            ({"users": [user("u")], "take_over": ["v"]}, ["take_over", "'v'", "which are u. Fix: "]),
        ],
    )
    def test_each_problem_names_the_thing_and_the_fix(self, more: dict[str, Any], words: list[str]) -> None:
        assert all(word in self.problems(**more) for word in words), self.problems(**more)


class TestInfluxql:
    @pytest.mark.parametrize(
        ("text", "nanoseconds"),
        [
            ("INF", 0),
            ("0s", 0),
            ("168h0m0s", 168 * HOUR),
            ("7d", 168 * HOUR),
            ("1h30m", HOUR * 3 // 2),
            ("1w", 168 * HOUR),
        ],
    )
    def test_durations_of_influxql_and_go_are_read(self, text: str, nanoseconds: int) -> None:
        assert duration_ns(text) == nanoseconds

    @pytest.mark.parametrize("text", ["", "5", "5 m", "-1h", "1y", "h"])
    def test_another_text_is_not_a_duration(self, text: str) -> None:
        with pytest.raises(ValueError, match="30d"):
            duration_ns(text)

    def test_names_and_strings_are_quoted(self) -> None:
        assert identifier('a"b\\c') == r'"a\"b\\c"'
        assert string("a'b\\c") == r"'a\'b\\c'"

    def test_privileges_leave_out_revoked_ones(self) -> None:
        rows = [
            {"database": "a", "privilege": "ALL PRIVILEGES"},
            {"database": "b", "privilege": "READ"},
            {"database": "c", "privilege": "NO PRIVILEGES"},
        ]
        assert privileges(rows) == {"a": "ALL", "b": "READ"}


@pytest.mark.parametrize(
    "answer", ["[]", '{"results": 5}', '{"results": [{"series": [{"columns": ["a"], "values": [[]]}]}]}']
)
def test_json_of_another_server_is_refused(monkeypatch: pytest.MonkeyPatch, answer: str) -> None:
    monkeypatch.setattr(InfluxApi, "_send", lambda *arguments: ({}, answer))

    with pytest.raises(InfluxApiError, match="is not JSON of InfluxDB, so this is another server"):
        InfluxApi("http://influx.invalid").query("SHOW DATABASES")


def test_a_column_that_is_missing_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    answer = '{"results": [{"series": [{"columns": ["a"], "values": [[1]]}]}]}'
    monkeypatch.setattr(InfluxApi, "_send", lambda *arguments: ({}, answer))

    (row,) = InfluxApi("http://influx.invalid").rows("SHOW USERS")
    with pytest.raises(InfluxApiError, match="has no column user, only a"):
        row["user"]


class Told(InfluxApi):
    """An InfluxDB that answers from a list of what it was asked, and keeps the questions."""

    def __init__(self, answers: dict[str, Any]) -> None:
        super().__init__("http://influx.invalid", "admin", "secret")
        self.answers = answers
        self.asked: list[str] = []

    def version(self) -> str:
        return "1.12.4"

    def query(self, statement: str) -> list[dict[str, Any]]:
        self.asked.append(statement)
        answer = self.answers.get(statement, [])
        if isinstance(answer, list) and answer and isinstance(answer[0], Exception):
            raise answer.pop(0)
        return [{"series": answer}]


class TestFirstAdmin:
    PARAMETERS: dict[str, Any] = {  # noqa: RUF012
        "username": "admin", "password": "secret", "databases": [], "users": [], "take_over": [],
    }  # fmt: skip

    def influx(self) -> Told:
        refusal = InfluxApiError("create admin user first or disable authentication", status=403)
        return Told({"SHOW DATABASES": [refusal]})

    def test_is_created_while_there_are_no_users(self) -> None:
        influx = self.influx()
        result = SCHEMA.run(influx, self.PARAMETERS, check_mode=False)
        assert influx.asked[:2] == [
            "SHOW DATABASES",
            "CREATE USER \"admin\" WITH PASSWORD 'secret' WITH ALL PRIVILEGES",
        ]
        assert result["admin_created"] is True
        assert "secret" not in str(result)

    def test_is_not_created_in_check_mode(self) -> None:
        influx = self.influx()
        result = SCHEMA.run(influx, {**self.PARAMETERS, "databases": [database("db")]}, check_mode=True)
        assert influx.asked == ["SHOW DATABASES"]
        assert result["statements"] == [
            "CREATE USER \"admin\" WITH PASSWORD '…' WITH ALL PRIVILEGES",
            'CREATE DATABASE "db"',
        ]

    def test_another_refusal_is_an_error(self) -> None:
        influx = Told({"SHOW DATABASES": [InfluxApiError("authorization failed", status=401)]})
        with pytest.raises(InfluxApiError, match="authorization failed"):
            SCHEMA.run(influx, self.PARAMETERS, check_mode=False)


class TestForeignAccounts:
    """An InfluxDB in which `reader` is somebody else's account, and an admin."""

    def influx(self, monkeypatch: pytest.MonkeyPatch, *, welcome: bool) -> Told:
        monkeypatch.setattr(Told, "as_user", lambda self, *login: self)
        monkeypatch.setattr(Told, "accepts", lambda self: welcome)
        users = {"columns": ["user", "admin"], "values": [["admin", True], ["reader", True]]}
        return Told({"SHOW USERS": [users]})

    def parameters(self, **more: Any) -> dict[str, Any]:
        wanted = [user("writer"), user("reader")]
        return {"username": "admin", "password": "secret", "databases": [database("db")], "users": wanted, **more}

    def test_are_refused_before_anything_changes(self, monkeypatch: pytest.MonkeyPatch) -> None:
        influx = self.influx(monkeypatch, welcome=False)
        with pytest.raises(
            SCHEMA.ForeignAccountsError, match=r"'reader'.*Nothing was changed.*Fix: .*take_over"
        ) as refused:
            SCHEMA.run(influx, self.parameters(take_over=[]), check_mode=False)
        assert refused.value.names == ("reader",)
        assert [statement for statement in influx.asked if not statement.startswith("SHOW ")] == []

    def test_change_when_they_are_named(self, monkeypatch: pytest.MonkeyPatch) -> None:
        influx = self.influx(monkeypatch, welcome=False)
        SCHEMA.run(influx, self.parameters(take_over=["reader"]), check_mode=False)
        assert "SET PASSWORD FOR \"reader\" = 'pass\\'word'" in influx.asked
        assert 'REVOKE ALL PRIVILEGES FROM "reader"' in influx.asked

    def test_an_account_with_the_described_password_is_ours(self, monkeypatch: pytest.MonkeyPatch) -> None:
        influx = self.influx(monkeypatch, welcome=True)
        SCHEMA.run(influx, self.parameters(take_over=[]), check_mode=False)
        assert 'REVOKE ALL PRIVILEGES FROM "reader"' in influx.asked
        assert not [statement for statement in influx.asked if "SET PASSWORD" in statement]

    def test_the_module_names_them(self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
        influx = self.influx(monkeypatch, welcome=False)
        monkeypatch.setattr(SCHEMA.InfluxApi, "from_params", lambda params: influx)
        given = {
            "url": "http://x",
            "username": "admin",
            "password": "secret",
            "users": [{"name": "reader", "password": "p"}],
        }
        with patch_module_args(given), pytest.raises(SystemExit):
            SCHEMA.main()
        assert json.loads(capsys.readouterr().out)["foreign"] == ["reader"]


def subscription(name: str, destination: str, policy: str = "autogen") -> list[Any]:
    return [policy, name, "ANY", [f"http://~subscriber:t0ken@{destination}"]]


class TestSubscriptions:
    def influx(self) -> Told:
        columns = ["retention_policy", "name", "mode", "destinations"]
        mine, stale = subscription("kapacitor-new", "kap:9092"), subscription("kapacitor-old", "kap:9092", 'we"ek')
        other = subscription("kapacitor-other", "kap2:9092")
        return Told({"SHOW SUBSCRIPTIONS": [{"name": "db", "columns": columns, "values": [mine, stale, other]}]})

    def parameters(self, **more: Any) -> dict[str, Any]:
        return {
            "state": "clean",
            "name": "kapacitor-new",
            "destination": "http://kap:9092",
            "expected": {"db": ["autogen"]},
            "wait": 0,
            **more,
        }

    def test_only_those_of_the_same_address_and_another_name_are_stale(self) -> None:
        influx = self.influx()
        result = SUBSCRIPTIONS.run(influx, self.parameters(), check_mode=False)
        assert [statement for statement in influx.asked if "DROP" in statement] == [
            r'DROP SUBSCRIPTION "kapacitor-old" ON "db"."we\"ek"'
        ]
        assert result["changed"] is True
        assert [entry["name"] for entry in result["removed"]] == ["kapacitor-old"]
        assert "t0ken" not in str(result)

    def test_all_of_the_address_go_with_a_kapacitor_that_is_gone(self) -> None:
        result = SUBSCRIPTIONS.run(self.influx(), self.parameters(state="absent", name=None, expected={}), False)
        assert [entry["name"] for entry in result["removed"]] == ["kapacitor-new", "kapacitor-old"]

    def test_check_mode_drops_nothing(self) -> None:
        influx = self.influx()
        assert SUBSCRIPTIONS.run(influx, self.parameters(), check_mode=True)["changed"] is True
        assert influx.asked == ["SHOW SUBSCRIPTIONS"]

    def test_what_is_expected_and_not_there_is_named(self) -> None:
        result = SUBSCRIPTIONS.run(self.influx(), self.parameters(expected={"db": ["autogen", "x"], "y": ["z"]}), True)
        assert result["missing"] == ["db.x", "y.z"]

    def test_the_name_follows_from_the_identity_file(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        (tmp_path / "cluster.id").write_text("new\n")
        monkeypatch.setattr(SUBSCRIPTIONS.InfluxApi, "from_params", lambda params: self.influx())
        given = {"url": "http://x", "destination": "http://kap:9092", "identity_file": str(tmp_path / "cluster.id")}
        with patch_module_args({**given, "_ansible_check_mode": True}), pytest.raises(SystemExit) as exit_:
            SUBSCRIPTIONS.main()
        assert exit_.value.code == 0

    def test_an_identity_file_that_is_missing_is_named(
        self, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        path = tmp_path / "cluster.id"
        given = {"url": "http://x", "destination": "http://kap:9092", "identity_file": str(path)}
        with patch_module_args(given), pytest.raises(SystemExit):
            SUBSCRIPTIONS.main()
        assert f"identity_file={path} cannot be read: No such file or directory. Fix: " in capsys.readouterr().out

    def test_those_by_another_scheme_are_missing_until_kapacitor_replaces_them(self) -> None:
        wanted = self.parameters(destination="https://kap:9092")

        result = SUBSCRIPTIONS.run(self.influx(), wanted, check_mode=False)

        assert result["missing"] == ["db.autogen"]
        assert [entry["name"] for entry in result["removed"]] == ["kapacitor-old"]

    def test_those_by_another_scheme_go_with_a_kapacitor_that_is_gone(self) -> None:
        gone = self.parameters(destination="https://kap:9092", state="absent", name=None, expected={})

        result = SUBSCRIPTIONS.run(self.influx(), gone, check_mode=False)

        assert [entry["destination"] for entry in result["removed"]] == ["http://kap:9092"] * 2

    @pytest.mark.parametrize("wrong", ["kap:9092", "http://", "http://user:secret@kap:9092", "http://kap:9092/path"])
    def test_a_destination_that_is_none_is_refused(self, wrong: str, capsys: pytest.CaptureFixture[str]) -> None:
        given = {"url": "http://x", "destination": wrong, "state": "absent"}

        with patch_module_args(given), pytest.raises(SystemExit):
            SUBSCRIPTIONS.main()

        assert f"destination={wrong} is not a scheme, a host and a port. Fix: " in capsys.readouterr().out

    def test_an_address_lacks_scheme_and_token(self) -> None:
        assert SUBSCRIPTIONS.address("http://~subscriber:a@b:9092") == "b:9092"
        assert SUBSCRIPTIONS.address("udp://10.0.0.1:9100") == "10.0.0.1:9100"
