"""Gets what the rows need, into build/bench/udf: once, and anew when what it is made from has changed.

- go_echo, and Kapacitor's own Python agent beside it: both out of the Go module that the deployed Kapacitor is built
  from, by the Go on PATH or else the one in the image `toolchain`.
- A virtual environment for the Python rows (requirements/bench.txt), with the agent's udf_pb2 made anew: the one in the
  module is refused by current protobuf runtimes.
- One forest, as scikit-learn's object and as our arrays.
"""

import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterable, Sequence
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
    go, stock, venv, model = (directory / name for name in ("go", "stock", "venv", "model"))
    python = venv / "bin" / "python"
    requirements = ROOT / "requirements" / "bench.txt"
    sources = [ROOT / "udf" / package / "src" for package in PACKAGES]
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join(map(str, [*sources, stock, ROOT])),
    }

    def make_go() -> None:
        say("Building the Go agent's echo")
        _build_go(go)

    def make_venv() -> None:
        say("Installing requirements/bench.txt")
        _run([sys.executable, "-m", "venv", str(venv)])
        pip = [str(python), "-m", "pip", "--disable-pip-version-check", "--no-input", "install", "--quiet"]
        _run([*pip, "--no-deps", "--require-hashes", "-r", str(requirements)])

    def make_stock() -> None:
        shutil.copytree(go / "agent" / "py" / "kapacitor", stock / "kapacitor")
        output = stock / "kapacitor" / "udf"
        _run([str(python), "-m", "grpc_tools.protoc", f"-I{go / 'agent'}", f"--python_out={output}", "udf.proto"])

    def make_model() -> None:
        say("Training a forest")
        _run([str(python), str(PROGRAMS / "make_model.py"), str(model)], environment)

    made_go = _make(go, _hash(sorted((PROGRAMS / "go_echo").iterdir())), make_go)
    made_venv = _make(venv, _hash([requirements]) + sys.version, make_venv)
    _make(stock, made_go + made_venv, make_stock)
    detectors = sorted((sources[1] / "anomaly" / "detectors").glob("*.py"))
    _make(model, made_venv + _hash([PROGRAMS / "make_model.py", PROGRAMS.parent / "data.py", *detectors]), make_model)
    return Tools(go_echo=go / "go_echo", python=python, model=model, environment=environment)


def forest_cost(tools: Tools) -> dict[str, Any]:
    """What programs/forest_cost.py measures."""
    found = json.loads(_run([str(tools.python), str(PROGRAMS / "forest_cost.py"), str(tools.model)], tools.environment))
    assert isinstance(found, dict)
    return found


_PYTHON_VERSIONS = """\
import json, platform
from importlib.metadata import version
names = ("numpy", "protobuf", "scikit-learn")
print(json.dumps({"python": platform.python_version()} | {name: version(name) for name in names}))
"""


def versions(tools: Tools, kapacitord: Path) -> dict[str, str]:
    """Versions of what was measured, by name."""
    return {
        "kapacitord": _run([str(kapacitord), "version"]).split()[1],
        "go": (tools.go_echo.parent / "go_version").read_text().strip().removeprefix("go"),
        **json.loads(_run([str(tools.python), "-c", _PYTHON_VERSIONS])),
    }


def _make(target: Path, inputs: str, make: Callable[[], None]) -> str:
    stamp = target / ".made-from"
    if not stamp.exists() or stamp.read_text() != inputs:
        shutil.rmtree(target, ignore_errors=True)
        target.mkdir(parents=True)
        make()
        stamp.write_text(inputs)
    return inputs


def _hash(paths: Iterable[Path]) -> str:
    return hashlib.sha256(b"".join(path.read_bytes() for path in paths)).hexdigest()


def _build_go(output: Path) -> None:
    module = PROGRAMS / "go_echo"
    wanted = re.search(r"^go (\S+)$", (module / "go.mod").read_text(), re.MULTILINE)
    assert wanted
    if _go_version() >= version_numbers(wanted[1]):
        _run(["./build", str(output)], directory=module)
        return
    image = _toolchain_image()
    if image is None:
        raise BenchError(
            f"there is no Go {wanted[1]} or newer on PATH, and no image 'toolchain'. "
            "Fix: install Go, or run scripts/test-images, which builds the image on its way"
        )
    variables = [f"--env={name}" for name in ("GOPROXY", "GOSUMDB", "HTTPS_PROXY", "NO_PROXY") if name in os.environ]
    mounts = [f"--volume={module}:/module:ro", f"--volume={output}:/output"]
    _run(
        ["docker", "run", "--rm", *variables, *mounts, "--workdir=/module", image, "with-proxies", "./build", "/output"]
    )


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
    found = subprocess.run(["docker", "image", "inspect", image], capture_output=True, check=False)
    return image if found.returncode == 0 else None


def _run(command: Sequence[str], environment: dict[str, str] | None = None, directory: Path | None = None) -> str:
    done = subprocess.run(command, capture_output=True, text=True, env=environment, cwd=directory, check=False)
    if done.returncode:
        raise BenchError(f"{' '.join(command)} failed:\n{done.stdout[-2000:]}{done.stderr[-2000:]}")
    return done.stdout
