"""Gets what the rows need, into build/bench/udf: once, and anew when what it is made from has changed.

- go_echo, and Kapacitor's own Python agent beside it: both out of the Go module that the deployed Kapacitor is built
  from, by the Go on PATH or else the one in the image `toolchain`.
- A virtual environment for the Python rows (requirements/bench.txt), with the agent's udf_pb2 made anew: the one in the
  module is refused by current protobuf runtimes.
- Our packages, built as an installation would, with what is compiled of them.
- One forest, as scikit-learn's object and as our arrays.
"""

import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.udf.errors import BenchError

ROOT = Path(__file__).resolve().parents[2]
PROGRAMS = Path(__file__).resolve().parent / "programs"
PACKAGES = ("kapacitor_udf", "anomaly")


@dataclass(frozen=True)
class Tools:
    """Where things are. `environment`: what UDF processes and the programs get."""

    go_echo: Path
    python: Path
    model: Path
    environment: dict[str, str]


def prepare(directory: Path, say: Callable[[str], None]) -> Tools:
    """Make what is missing below `directory`; `say` hears of what takes long. Raises BenchError with what to do."""
    go, stock, venv, packages, model = (directory / name for name in ("go", "stock", "venv", "packages", "model"))
    python = venv / "bin" / "python"
    requirements = ROOT / "requirements" / "bench.txt"
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(map(str, [packages, stock, ROOT]))}
    pip = [str(python), "-m", "pip", "--disable-pip-version-check", "--no-input", "install", "--quiet", "--no-deps"]

    def make_go() -> None:
        say("Building the Go agent's echo")
        _build_go(go)

    def make_venv() -> None:
        say("Installing requirements/bench.txt")
        _run([sys.executable, "-m", "venv", str(venv)])
        _run([*pip, "--require-hashes", "--requirement", str(requirements)])

    def make_stock() -> None:
        shutil.copytree(go / "agent" / "py" / "kapacitor", stock / "kapacitor")
        output = stock / "kapacitor" / "udf"
        _run([str(python), "-m", "grpc_tools.protoc", f"-I{go / 'agent'}", f"--python_out={output}", "udf.proto"])

    def make_packages() -> None:
        say("Building our packages")
        with tempfile.TemporaryDirectory() as scratch:
            # Setuptools writes beside what it builds.
            copies = [Path(scratch) / package for package in PACKAGES]
            for copy in copies:
                shutil.copytree(ROOT / "udf" / copy.name, copy, ignore=_BUILT)
            # All at once: with --target, a second installation takes no part in the first one's folders.
            _run([*pip, "--no-index", "--no-build-isolation", f"--target={packages}", *map(str, copies)])

    def make_model() -> None:
        say("Training a forest")
        _run([str(python), str(PROGRAMS / "make_model.py"), str(model)], environment)

    made_go = _make(go, _hash((PROGRAMS / "go_echo").iterdir()), make_go)
    made_venv = _make(venv, _hash([requirements]) + sys.version, make_venv)
    _make(stock, made_go + made_venv, make_stock)
    made_packages = _make(packages, made_venv + _hash(_sources()), make_packages)
    programs = [PROGRAMS / "make_model.py", PROGRAMS.parent / "data.py"]
    _make(model, made_packages + _hash(programs), make_model)
    return Tools(go_echo=go / "go_echo", python=python, model=model, environment=environment)


_BUILT = shutil.ignore_patterns("__pycache__", "build", "*.egg-info", "*.c", "*.so")
_SOURCES = (".py", ".pyi", ".pyx", ".toml", ".json", ".css", ".proto")


def _sources() -> Iterator[Path]:
    for package in PACKAGES:
        yield ROOT / "udf" / package / "pyproject.toml"
        yield from (path for path in (ROOT / "udf" / package / "src").rglob("*") if path.suffix in _SOURCES)


def _make(target: Path, inputs: str, make: Callable[[], None]) -> str:
    stamp = target / ".made-from"
    if not stamp.exists() or stamp.read_text() != inputs:
        shutil.rmtree(target, ignore_errors=True)
        target.mkdir(parents=True)
        make()
        stamp.write_text(inputs)
    return inputs


def _hash(paths: Iterable[Path]) -> str:
    return hashlib.sha256(b"".join(path.read_bytes() for path in sorted(paths))).hexdigest()


def forest_cost(tools: Tools) -> dict[str, Any]:
    """What programs/forest_cost.py measures."""
    costs = json.loads(_run([str(tools.python), str(PROGRAMS / "forest_cost.py"), str(tools.model)], tools.environment))
    assert isinstance(costs, dict)
    return costs


_PYTHON_VERSIONS = """\
import json, platform
from importlib.metadata import version
import kapacitor_udf
from anomaly.detectors.forest.served import walk_class
compiled = {"kapacitor_udf": kapacitor_udf.compiled, "anomaly": walk_class().__module__.endswith(".walk")}
names = ("numpy", "protobuf", "scikit-learn")
versions = {"python": platform.python_version()} | {name: version(name) for name in names}
print(json.dumps(versions | {"compiled": [name for name in compiled if compiled[name]]}))
"""


def versions(tools: Tools, kapacitord: Path) -> dict[str, Any]:
    """Versions of what was measured, by name; `compiled`: those of our packages that have their compiled part."""
    return {
        "kapacitord": _run([str(kapacitord), "version"]).strip(),
        "go": (tools.go_echo.parent / "go_version").read_text().strip().removeprefix("go"),
        **json.loads(_run([str(tools.python), "-c", _PYTHON_VERSIONS], tools.environment)),
    }


def _build_go(output: Path) -> None:
    module = PROGRAMS / "go_echo"
    release = re.search(r"^go (\S+)$", (module / "go.mod").read_text(), re.MULTILINE)
    assert release
    if _go_version() >= version_numbers(release[1]):
        _run(["./build", str(output)], directory=module)
        return
    image = _toolchain_image()
    if image is None:
        raise BenchError(
            f"there is no Go {release[1]} or newer on PATH, and no image 'toolchain'. "
            "Fix: install Go, or run scripts/test-images, which builds the image on its way"
        )
    variables = [name for name in ("GOPROXY", "GOSUMDB", "HTTPS_PROXY", "NO_PROXY") if name in os.environ]
    options = [
        "--rm",
        # So that what it makes belongs to us.
        f"--user={os.getuid()}:{os.getgid()}",
        "--env=HOME=/tmp",
        *(f"--env={name}" for name in variables),
        f"--volume={module}:/module:ro",
        f"--volume={output}:/output",
        "--workdir=/module",
    ]
    _run(["docker", "run", *options, image, "with-proxies", "./build", "/output"])


def _go_version() -> tuple[int, ...]:
    # The local one: GOTOOLCHAIN=auto would fetch what the module asks for, but only from Go 1.21 on.
    if shutil.which("go") is None:
        return ()
    return version_numbers(_run(["go", "env", "GOVERSION"]))


def version_numbers(text: str) -> tuple[int, ...]:
    """Up to three numbers of a version, to compare it by."""
    return tuple(int(part) for part in re.findall(r"\d+", text)[:3])


def _toolchain_image() -> str | None:
    image = _run([sys.executable, str(ROOT / "images" / "build.py"), "tag", "toolchain"]).strip()
    inspected = subprocess.run(["docker", "image", "inspect", image], capture_output=True, check=False)
    return image if inspected.returncode == 0 else None


def _run(command: Sequence[str], environment: dict[str, str] | None = None, directory: Path | None = None) -> str:
    done = subprocess.run(command, capture_output=True, text=True, env=environment, cwd=directory, check=False)
    if done.returncode:
        raise BenchError(f"{' '.join(command)} failed:\n{done.stdout[-2000:]}{done.stderr[-2000:]}")
    return done.stdout
