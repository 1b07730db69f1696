"""kapacitor_udf alone: its sdist, and the wheel that is built from it, in an empty environment.

The wheel is built with and without a compiler. Both run the README's examples behind a real kapacitord. The compiled
one passes a selection of the library's own tests, too, which come from the unpacked sdist.
"""

import email
import email.message
import os
import re
import shutil
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

import kapacitor_udf
from daemons.kapacitord import Collector, Kapacitord, wait_until

pytestmark = pytest.mark.containers

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "udf" / "kapacitor_udf"
LOCK = ROOT / "requirements" / "dev.txt"
NEEDED = ("numpy", "protobuf")
# What pytest and hypothesis need is named, too: the lock pins it, and pip checks that nothing is missing.
NEEDED_BY_TESTS = ("hypothesis", "iniconfig", "packaging", "pluggy", "pygments", "pytest", "sortedcontainers")
# These are the library's own tests: its interface, its examples, its command line, and what is compiled.
SELECTION = ("command", "data_steps", "examples", "framing", "questions", "readme", "worker")
PIP = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--retries=10", "--timeout=60"]
OFFLINE = ["--quiet", "--no-deps", "--no-index"]


@dataclass(frozen=True)
class Installed:
    """The Python of an environment that has kapacitor_udf, numpy and protobuf; its wheel; whether it is compiled."""

    python: Path
    wheel: Path
    compiled: bool


@pytest.fixture(scope="module")
def sdist(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The archive."""
    directory = tmp_path_factory.mktemp("sdist")
    source = directory / "source"
    # What was built in the work tree stays there.
    shutil.copytree(PACKAGE, source, ignore=shutil.ignore_patterns("build", "*.egg-info", "*.so", "*.c"))
    uv = [str(Path(sys.executable).with_name("uv")), "build", "--quiet", "--offline", "--no-build-isolation"]
    command = [*uv, "--python", sys.executable, "--sdist", "--out-dir", str(directory), str(source)]
    subprocess.run(command, check=True)
    (archive,) = directory.glob("*.tar.gz")
    return archive


@pytest.fixture(scope="module")
def unpacked(sdist: Path) -> Path:
    """The folder in the archive."""
    with tarfile.open(sdist) as archive:
        archive.extractall(sdist.parent, filter="data")
    return sdist.with_name(sdist.name.removesuffix(".tar.gz"))


@pytest.fixture(scope="module", params=["compiled", "uncompiled"])
def installed(request: pytest.FixtureRequest, sdist: Path, tmp_path_factory: pytest.TempPathFactory) -> Installed:
    directory = tmp_path_factory.mktemp("wheel")
    compiled = request.param == "compiled"
    environment = os.environ if compiled else {**os.environ, "CC": "/bin/false"}
    build = [*PIP, "wheel", *OFFLINE, "--no-build-isolation", "--wheel-dir", str(directory), str(sdist)]
    subprocess.run(build, check=True, env=environment)
    (wheel,) = directory.glob("*.whl")
    python = new_environment(directory / "venv", *NEEDED)
    install(python, *OFFLINE, str(wheel))
    subprocess.run([*PIP, "--python", str(python), "check"], check=True)
    return Installed(python, wheel, compiled)


def new_environment(directory: Path, *names: str) -> Path:
    """The Python of a new environment that has these packages, as the lock pins them."""
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(directory)], check=True)
    python = directory / "bin" / "python"
    add_locked(python, *names)
    return python


def add_locked(python: Path, *names: str) -> None:
    """Install these packages, as the lock pins them."""
    requirements = python.parent / "requirements.txt"
    requirements.write_text("".join(locked(*names)))
    install(python, "--quiet", "--no-deps", "--require-hashes", "-r", str(requirements))


def install(python: Path, *arguments: str) -> None:
    """Install into the environment of this Python."""
    subprocess.run([*PIP, "--python", str(python), "install", *arguments], check=True)


def locked(*names: str) -> Iterator[str]:
    """The lines of the lock that pin these packages, with hashes."""
    for pin in re.findall(r"^(?:\S.*\n)(?: +--hash.*\n)+", LOCK.read_text(), re.MULTILINE):
        if pin.startswith(tuple(f"{name}==" for name in names)):
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


def test_the_sdist_holds_all_that_is_needed_to_test_it(unpacked: Path) -> None:
    tracked = subprocess.run(["git", "ls-files"], cwd=PACKAGE, check=True, capture_output=True, text=True)
    expected = set(tracked.stdout.split())
    packed = {str(path.relative_to(unpacked)) for path in unpacked.rglob("*") if path.is_file()}

    assert expected <= packed
    made = {name for name in packed - expected if ".egg-info/" not in name}
    assert made == {"PKG-INFO", "setup.cfg"}


def test_the_license_is_the_repositorys() -> None:
    assert (PACKAGE / "LICENSE").read_bytes() == (ROOT / "LICENSE").read_bytes()


def test_the_wheel_holds_the_library_alone(installed: Installed) -> None:
    with zipfile.ZipFile(installed.wheel) as archive:
        names = set(archive.namelist())

    (information,) = {name.partition("/")[0] for name in names if ".dist-info/" in name}
    assert f"{information}/licenses/LICENSE" in names
    assert "kapacitor_udf/py.typed" in names
    assert {name.partition("/")[0] for name in names} == {"kapacitor_udf", information}
    assert any(name.endswith(".so") for name in names) is installed.compiled


def test_the_wheel_says_what_it_is(installed: Installed) -> None:
    metadata = metadata_of(installed.wheel)
    assert metadata["Version"] == kapacitor_udf.__version__
    assert metadata["License-Expression"] == "MIT"
    assert metadata["Description-Content-Type"] == "text/markdown"
    assert set(metadata.get_all("Provides-Extra", [])) == {"numpy", "test"}
    for name in ("Summary", "Author", "Keywords", "Project-URL", "Requires-Python"):
        assert metadata[name], name
    classifiers = metadata.get_all("Classifier", [])
    assert {"Typing :: Typed", "Operating System :: POSIX :: Linux"} <= set(classifiers)


def metadata_of(wheel: Path) -> email.message.Message:
    """The METADATA of a wheel."""
    with zipfile.ZipFile(wheel) as archive:
        (name,) = [name for name in archive.namelist() if name.endswith(".dist-info/METADATA")]
        return email.message_from_bytes(archive.read(name))


@pytest.mark.parametrize("installed", ["compiled"], indirect=True)
def test_the_unpacked_sdist_passes_its_own_tests(installed: Installed, unpacked: Path) -> None:
    add_locked(installed.python, *NEEDED_BY_TESTS)
    subprocess.run([*PIP, "--python", str(installed.python), "check"], check=True)
    # Not the source beside them, but what was installed is tested.
    pytest_ = [str(installed.python), "-m", "pytest", "-q", "-p", "no:cacheprovider", "-o", "pythonpath=tests"]
    modules = [f"tests/test_{name}.py" for name in SELECTION]

    ran = subprocess.run([*pytest_, *modules], cwd=unpacked, check=False, capture_output=True, text=True)

    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert " passed" in ran.stdout
    assert "skipped" not in ran.stdout


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
    task = readme("text", "stream")
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
