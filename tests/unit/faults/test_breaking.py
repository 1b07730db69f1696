"""The faults that can be made without a stack."""

from collections.abc import Mapping
from signal import Signals
from typing import Any

import pytest
import requests

from tests.faults import breaking
from tests.faults.breaking import FAULTS, LENGTHS
from tests.faults.deployed import PIPELINE
from tests.faults.schedule import at_random, one_by_one

DROPPED = FAULTS["subscription_dropped"]


class Influx:
    """InfluxDB with subscriptions of two databases."""

    def __init__(self) -> None:
        self.statements: list[str] = []
        self.is_away = False
        self.names = {PIPELINE.database: ["kapacitor-1", 'a "second" one'], "other": ["kapacitor-2"]}

    def subscriptions(self) -> dict[str, list[Mapping[str, Any]]]:
        if self.is_away:
            raise requests.ConnectionError
        return {
            database: [{"retention_policy": "autogen", "name": name} for name in names]
            for database, names in self.names.items()
        }

    def query(self, statement: str) -> list[dict[str, Any]]:
        self.statements.append(statement)
        return []


class Stack:
    """A stack that has nothing but InfluxDB."""

    def __init__(self) -> None:
        self.stack = self
        self.server = Influx()

    def influx(self) -> Influx:
        return self.server

    def processes(self, program: str) -> list[int]:
        return [7]

    def send(self, program: str, signal: int) -> None:
        self.server.statements.append(f"{Signals(signal).name} {program}")


def test_every_subscription_of_the_stream_is_dropped_and_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(breaking, "_UNNOTICED_S", 0.0)
    stack: Any = Stack()

    with DROPPED.begin(stack):
        done = list(stack.server.statements)

    assert done == [
        'DROP SUBSCRIPTION "kapacitor-1" ON "faults"."autogen"',
        'DROP SUBSCRIPTION "a \\"second\\" one" ON "faults"."autogen"',
        "SIGSTOP kapacitord",
        "SIGCONT kapacitord",
    ]


def test_a_dropped_subscription_is_mended_when_it_is_there_again() -> None:
    stack: Any = Stack()
    assert DROPPED.is_mended(stack)
    del stack.server.names[PIPELINE.database]
    assert not DROPPED.is_mended(stack)
    stack.server.is_away = True
    assert not DROPPED.is_mended(stack)


def test_each_fault_comes_by_itself_and_at_random() -> None:
    assert LENGTHS["subscription_dropped"] is None
    assert {event.fault for event in one_by_one(LENGTHS)} == set(FAULTS)
    assert {event.fault for event in at_random(LENGTHS, 1_000, seed=1)} == set(FAULTS)
