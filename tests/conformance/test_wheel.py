"""kapacitor_udf alone: its wheel in an empty environment, with and without a compiler, runs the README's examples."""

import os
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.conformance.kapacitord import Collector, Kapacitord, wait_until

pytestmark = pytest.mark.containers

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "udf" / "kapacitor_udf"
LOCK = ROOT / "requirements" / "dev.txt"
NEEDED = ("numpy", "protobuf")


@dataclass(frozen=True)
class Installed:
    """The Python of an environment that has kapacitor_udf, numpy and protobuf; whether a compiler was there."""

    python: Path
    compiled: bool


@pytest.fixture(scope="module", params=["compiled", "uncompiled"])
def installed(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Installed:
    directory = tmp_path_factory.mktemp("wheel")
    compiled = request.param == "compiled"
    source = directory / "source"
    # What was built in the work tree stays there.
    shutil.copytree(PACKAGE, source, ignore=shutil.ignore_patterns("build", "*.egg-info", "*.so", "*.c"))
    environment = os.environ if compiled else {**os.environ, "CC": "/bin/false"}
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check"]
    offline = ["--quiet", "--no-deps", "--no-index"]
    wheel = [*pip, "wheel", *offline, "--no-build-isolation", "--wheel-dir", str(directory), str(source)]
    subprocess.run(wheel, check=True, env=environment)
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(directory / "venv")], check=True)
    python = directory / "venv" / "bin" / "python"
    pip += ["--python", str(python)]
    requirements = directory / "requirements.txt"
    requirements.write_text("".join(locked()))
    subprocess.run([*pip, "install", "--quiet", "--no-deps", "--require-hashes", "-r", str(requirements)], check=True)
    (built,) = directory.glob("*.whl")
    subprocess.run([*pip, "install", *offline, str(built)], check=True)
    subprocess.run([*pip, "check"], check=True)
    return Installed(python, compiled)


def locked() -> Iterator[str]:
    """The lines of the lock that pin what the wheel needs, with hashes."""
    for pin in re.findall(r"^(?:\S.*\n)(?: +--hash.*\n)+", LOCK.read_text(), re.MULTILINE):
        if pin.startswith(tuple(f"{name}==" for name in NEEDED)):
            yield pin


def readme(language: str, begins: str) -> str:
    """The README's only block of this language that begins so."""
    (block,) = re.findall(rf"^```{language}\n({begins}.*?)^```", (PACKAGE / "README.md").read_text(), re.S | re.M)
    return str(block)


def example(begins: str, directory: Path) -> str:
    """The README's program that begins with this comment, as a file."""
    path = directory / "program.py"
    path.write_text(readme("python", f"# {begins}"))
    return str(path)


def test_it_knows_whether_it_is_compiled(installed: Installed) -> None:
    code = "import kapacitor_udf, sys; print(kapacitor_udf.compiled, 'numpy' in sys.modules)"
    ran = subprocess.run([str(installed.python), "-c", code], check=True, capture_output=True, text=True)
    assert ran.stdout == f"{installed.compiled} False\n"


def test_the_example(installed: Installed, kapacitord_binary: Path, tmp_path: Path) -> None:
    """Program, configuration and task are the README's; only the paths are this test's."""
    paths = {"python3": str(installed.python), "/opt/moving.py": example("moving.py", tmp_path)}
    declared = tomllib.loads(readme("toml", "# kapacitor.conf"))["udf"]["functions"]
    functions = {name: [paths[part] for part in (udf["prog"], *udf["args"])] for name, udf in declared.items()}
    timeout = declared["moving"]["timeout"]
    task = readme("", "stream")
    with Kapacitord(kapacitord_binary, tmp_path / "kapacitor", functions, timeout=timeout, environment={}) as kapacitor:
        kapacitor.define("t", task)
        kapacitor.write("cpu,host=a usage=1 1", "cpu,host=b usage=5 1", "cpu,host=a usage=3 2")

        def means() -> dict[str, float]:
            rows = kapacitor.call("GET", "/tasks/t/mean").json.get("series") or []
            return {row["tags"]["host"]: row["values"][0][row["columns"].index("mean")] for row in rows}

        wait_until(lambda: means() == {"a": 2, "b": 5}, f"means by host: {means()}")


def test_the_fast_example(installed: Installed, kapacitord_binary: Path, collector: Collector, tmp_path: Path) -> None:
    program = [str(installed.python), example("Adds `power`", tmp_path)]
    with Kapacitord(kapacitord_binary, tmp_path / "kapacitor", {"power": program}, environment={}) as kapacitor:
        kapacitor.define("t", f"stream|from().measurement('cpu') @power().limit(2.0) |httpPost('{collector.url}')")
        kapacitor.write("cpu volt=2,ampere=1 1", "cpu volt=2,ampere=2i 2")
        assert [point["power"] for point in collector.wait_for(1)] == [4]
        if not installed.compiled:
            kapacitor.wait_for_log("kapacitor_udf was installed without its compiled part")
