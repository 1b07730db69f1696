"""When a container is ready: by the engine's word, or by the container's own health check, whichever comes first."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.influx_anomaly.stack.plugins.module_utils.container_state import (
    container_verdict,
    health_check,
)
from ansible_collections.influx_anomaly.stack.plugins.modules import container_ready

CHECK = ["curl", "-fsS", "http://127.0.0.1:8086/ping"]


def state(status: str = "running", health: str | None = None, restarts: int = 0) -> dict[str, Any]:
    inspected: dict[str, Any] = {
        "RestartCount": restarts,
        "State": {
            "Status": status,
            "Running": status in ("running", "restarting"),
            "Restarting": status == "restarting",
        },
        "Config": {},
    }
    if health is not None:
        inspected["State"]["Health"] = {"Status": health, "Log": []}
        inspected["Config"]["Healthcheck"] = {"Test": ["CMD", *CHECK], "Timeout": 5_000_000_000}
    return inspected


@pytest.mark.parametrize(
    ("inspected", "verdict"),
    [
        (None, "missing"),
        ({}, "missing"),
        (state(), "ready"),
        (state(health="healthy"), "ready"),
        (state(health="starting"), "waiting"),
        (state(health="unhealthy"), "unhealthy"),
        (state("created"), "waiting"),
        (state("exited"), "exited"),
        (state("restarting", "unhealthy", 1), "waiting"),
        (state("restarting", "unhealthy", 3), "crashing"),
    ],
)
def test_a_verdict_follows_from_the_engines_state(inspected: dict[str, Any] | None, verdict: str) -> None:
    assert container_verdict(inspected) == verdict


@pytest.mark.parametrize(
    ("test", "words"),
    [
        (["CMD", "true", "a b"], ["true", "a b"]),
        (["CMD-SHELL", "curl a || exit 1"], ["/bin/sh", "-c", "curl a || exit 1"]),
        (["NONE"], []),
        ([], []),
        (None, []),
    ],
)
def test_a_health_check_is_run_as_the_engine_runs_it(test: list[str] | None, words: list[str]) -> None:
    assert health_check(state(health="starting") | {"Config": {"Healthcheck": {"Test": test}}}) == words


@pytest.mark.parametrize("status", ["created", "restarting"])
def test_a_container_that_does_not_run_has_no_check_to_run(status: str) -> None:
    assert health_check(state(status, "starting")) == []


class Engine(container_ready.Engine):
    """An engine with an answer to each look at the container, and to each run of its check."""

    def __init__(self, looks: Sequence[dict[str, Any] | None], checks: Sequence[bool] = ()) -> None:
        self._looks, self._checks = list(looks), list(checks)
        self.asked: list[tuple[Sequence[str], float]] = []

    def inspect(self, name: str) -> dict[str, Any] | None:
        return self._looks.pop(0) if len(self._looks) > 1 else self._looks[0]

    def passes(self, name: str, check: Sequence[str], seconds: float) -> bool:
        self.asked.append((check, seconds))
        return self._checks.pop(0)


@pytest.fixture(autouse=True)
def _no_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(container_ready, "PAUSE_S", 0)


def test_it_is_ready_when_the_engine_calls_it_healthy() -> None:
    engine = Engine([state("created", "starting"), state(health="starting"), state(health="healthy")], [False])
    assert container_ready.wait(engine, "a", 60) == (state(health="healthy"), "ready")


def test_it_is_ready_as_soon_as_its_check_passes() -> None:
    engine = Engine([state(health="starting")], [False, False, True])
    assert container_ready.wait(engine, "a", 60) == (state(health="starting"), "ready")
    assert engine.asked == [(CHECK, 5.0)] * 3


def test_its_check_is_not_run_once_the_engine_has_judged() -> None:
    for health, verdict in (("healthy", "ready"), ("unhealthy", "unhealthy")):
        engine = Engine([state(health=health)])
        assert container_ready.wait(engine, "a", 60)[1] == verdict
        assert engine.asked == []


def test_a_wait_ends_when_waiting_does_not_help() -> None:
    engine = Engine([state(health="starting"), state("exited", "starting")], [False])
    assert container_ready.wait(engine, "a", 60)[1] == "exited"
    assert container_ready.wait(Engine([None]), "a", 60) == (None, "missing")


def test_a_wait_ends_when_its_time_is_over() -> None:
    engine = Engine([state(health="starting")], [False])
    assert container_ready.wait(engine, "a", 0) == (state(health="starting"), "waiting")


def client(folder: Path, script: str) -> container_ready.Engine:
    """The engine by a command line client that is a script."""
    path = folder / "docker"
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    return container_ready.Engine(str(path))


def test_the_engines_answer_is_read_from_its_client(tmp_path: Path) -> None:
    (tmp_path / "answer").write_text(json.dumps([state()]))
    engine = client(tmp_path, f'[ "$*" = "inspect --type container a" ] && cat {tmp_path}/answer')
    assert engine.inspect("a") == state()


@pytest.mark.parametrize("said", ["Error: No such container: a", "Error response from daemon: no such container: a"])
def test_a_container_that_is_not_there_is_none(tmp_path: Path, said: str) -> None:
    assert client(tmp_path, f"echo '{said}' >&2; exit 1").inspect("a") is None


def test_an_engine_that_does_not_answer_is_an_error_with_its_words(tmp_path: Path) -> None:
    engine = client(tmp_path, "echo 'Cannot connect to the Docker daemon' >&2; exit 1")
    with pytest.raises(container_ready.EngineError, match="Cannot connect to the Docker daemon"):
        engine.inspect("a")


@pytest.mark.parametrize(("script", "passes"), [("true", True), ("exit 7", False), ("exec sleep 60", False)])
def test_a_check_passes_by_its_exit_code_and_within_its_time(tmp_path: Path, script: str, passes: bool) -> None:
    seconds = 0.2 if "sleep" in script else 60
    assert client(tmp_path, script).passes("a", CHECK, seconds) is passes


def test_a_check_gets_its_words_as_they_are(tmp_path: Path) -> None:
    engine = client(tmp_path, f'printf "%s|" "$@" >{tmp_path}/words')
    assert engine.passes("a", ["/bin/sh", "-c", "a || b"], 60)
    assert (tmp_path / "words").read_text() == "exec|a|/bin/sh|-c|a || b|"
