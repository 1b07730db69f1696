"""What the integration tests share. README.md says which sentence of the specification each test proves."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import docker
import pytest

from daemons.images import OLD_INFLUXDB, built_image
from tests.integration.hosts import LABEL
from tests.integration.pipelines import ROOMS, SELF_TRAINING
from tests.integration.playbook import PlayResult
from tests.integration.results import ALERTS_IN_A_FILE, CONSOLE, Results, produce
from tests.integration.stack import Files, Stack
from tests.integration.waiting import PATIENCE_S

HERE = Path(__file__).parent

# A deployed stack is expensive and shared by many tests: what only looks comes first, what changes it next, what
# takes it away last.
ORDER = [
    "test_first_contact",
    "test_data_path",
    "test_hardening",
    "test_bad_input",
    "test_keeper",
    "test_changes",
    "test_two_stacks",
    "test_faults",
    "test_own_udf",
    "test_external_influxdb",
    "test_pull",
    "test_cluster",
]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Puts the modules in order; what is elsewhere stays before them."""

    def place(item: pytest.Item) -> int:
        return ORDER.index(item.path.stem) if item.path.parent == HERE else -1

    items.sort(key=place)


@pytest.fixture(scope="session")
def engine() -> Iterator[docker.DockerClient]:
    """This machine's container engine; `make test` sees to it that there is one."""
    # An engine that is busy answers late.
    client = docker.from_env(timeout=round(PATIENCE_S))
    client.ping()
    yield client
    client.close()


@pytest.fixture(scope="session")
def kept_images(engine: docker.DockerClient) -> Iterator[None]:
    """The images are kept from the teardown of stacks, by containers that never run: building them takes minutes, and
    other workers need them, too."""
    name = f"it-{secrets.token_hex(3)}x-keeper"
    images = {
        component: built_image(component) for component in ("debian", "influxdb", "kapacitor", "kapacitor-python")
    }
    images["old-influxdb"] = built_image("influxdb", "--influxdb-version", OLD_INFLUXDB)
    with ExitStack() as keepers:
        for component, image in images.items():
            keeper = engine.containers.create(
                image, ["true"], name=f"{name}-{component}", labels={LABEL: "keeper"}, entrypoint=[]
            )
            keepers.callback(keeper.remove, v=True)
        yield


@contextmanager
def stacks(client: docker.DockerClient, folder: Path) -> Iterator[Callable[..., Stack]]:
    """Make stacks (arguments of `Stack`), and remove whatever is left of them at the end."""
    made: list[Stack] = []

    def make(**arguments: Any) -> Stack:
        made.append(Stack(client, folder, **arguments))
        return made[-1]

    try:
        yield make
    finally:
        for stack in made:
            stack.destroy()


@pytest.fixture(scope="module")
def new_stack(
    engine: docker.DockerClient, kept_images: None, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Callable[..., Stack]]:
    """Makes stacks, and removes what is left of them after the module: idle stacks work, too, and delay the others."""
    with stacks(engine, tmp_path_factory.mktemp("stacks")) as make:
        yield make


@dataclass(frozen=True)
class Deployment:
    """The first runs of `site.yml` for the stack that most tests share.

    Attributes:
        stack: the stack.
        files_before: what was in its folder before anything ran: the inventory.
        dry_run: `--check --diff` while there was nothing.
        files_after_dry_run: as `files_before`.
        engine_after_dry_run: what of the stack was on the engine.
        site: the deployment.
    """

    stack: Stack
    files_before: Files
    dry_run: PlayResult
    files_after_dry_run: Files
    engine_after_dry_run: dict[str, list[str]]
    site: PlayResult


@pytest.fixture(scope="session")
def deployment(
    engine: docker.DockerClient, kept_images: None, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Deployment]:
    """A dry run on nothing, then the deployment; neither has been looked at yet."""
    with stacks(engine, tmp_path_factory.mktemp("shared")) as make:
        variables = {"kapacitor_alert_handlers": [ALERTS_IN_A_FILE], "console_root_url": CONSOLE}
        stack = make(pipelines=[SELF_TRAINING, ROOMS], variables=variables)
        files_before = stack.files()
        dry_run = stack.play("site", "--check", "--diff")
        files_after, engine_after = stack.files(), stack.on_engine()
        yield Deployment(stack, files_before, dry_run, files_after, engine_after, stack.play("site"))


@pytest.fixture(scope="session")
def stack(deployment: Deployment) -> Stack:
    """The deployed stack that most tests share."""
    deployment.site.succeeded()
    return deployment.stack


@pytest.fixture(scope="session")
def results(stack: Stack, tmp_path_factory: pytest.TempPathFactory) -> Results:
    """The data path of the shared stack, run once."""
    return produce(stack, tmp_path_factory.mktemp("data"))
