"""scripts/bootstrap on machines that lack things: what is missing is installed, and nothing is done twice.

The machine is a folder of stand-ins on PATH. The lock is empty, so that no registry is asked, and the tests copy
one virtual environment, since making one takes seconds.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
# What the script calls besides Python and apt.
TOOLS = """bash cat chmod cp cut date dirname env id mkdir mv rm sed sha256sum sh tail""".split()
REAL = f"{sys.base_prefix}/bin/python3"


class Machine:
    """A work tree and a PATH of its own."""

    def __init__(self, folder: Path, environment: Path) -> None:
        self.python = f'''
            case "$*" in
            *ensurepip*) [ ! -e "$0.novenv" ] || exit 1 ;;
            "-m venv"*) for folder; do :; done; rm -rf "$folder"; exec cp -a "{environment}" "$folder" ;;
            esac
            exec "{REAL}" "$@"'''
        self.tree = folder / "tree"
        self.bin = folder / "bin"
        self.log = folder / "called"
        self.log.touch()
        (self.tree / "scripts").mkdir(parents=True)
        (self.tree / "requirements").mkdir()
        self.bin.mkdir()
        for script in ("bootstrap", "ansible_bytecode.py"):
            shutil.copy(ROOT / "scripts" / script, self.tree / "scripts" / script)
        for name in ("tools", "dev"):
            (self.tree / "requirements" / f"{name}.txt").write_text(f"# {name}\n", encoding="utf-8")
        for tool in TOOLS:
            found = shutil.which(tool)
            assert found is not None
            (self.bin / tool).symlink_to(found)

    def program(self, name: str, script: str) -> None:
        """Puts a shell script on PATH that also writes down how it was called."""
        path = self.bin / name
        path.write_text(f'#!/bin/sh\necho "{name} $*" >>"{self.log}"\n{script}\n', encoding="utf-8")
        path.chmod(0o755)

    def bootstrap(self, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [str(self.tree / "scripts" / "bootstrap"), *arguments],
            env={"PATH": str(self.bin), "HOME": str(self.tree), "PIP_NO_INDEX": "1", **_libraries(), **variables},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )

    def called(self, name: str) -> list[str]:
        return [line for line in self.log.read_text(encoding="utf-8").splitlines() if line.split()[0] == name]

    @property
    def log_text(self) -> str:
        return (self.tree / "build" / "logs" / "bootstrap.log").read_text(encoding="utf-8")


def _libraries() -> dict[str, str]:
    return {name: os.environ[name] for name in ("LD_LIBRARY_PATH",) if name in os.environ}


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("environment") / "venv"
    subprocess.run([REAL, "-m", "venv", str(path)], check=True)
    return path


@pytest.fixture
def machine(tmp_path: Path, environment: Path) -> Machine:
    return Machine(tmp_path, environment)


# What `python3` is on Ubuntu 22.04: too old for Ansible 12.
OLD_PYTHON = 'case "$*" in *version_info*) exit 1 ;; esac; exit 99'


def test_an_environment_is_made_once(machine: Machine) -> None:
    machine.program("python3", machine.python)
    run = machine.bootstrap()
    assert run.returncode == 0, run.stdout + run.stderr
    assert "Making .venv" in run.stdout
    assert "log: build/logs/bootstrap.log" in run.stdout
    assert ".venv is ready (tools)" in run.stdout
    assert (machine.tree / ".venv" / "bin" / "python").exists()
    run = machine.bootstrap("tools")
    assert run.stdout == "bootstrap: .venv is up to date (tools)\n"


def test_a_changed_lock_is_installed_into_the_same_environment(machine: Machine) -> None:
    machine.program("python3", machine.python)
    assert machine.bootstrap().returncode == 0
    marker = machine.tree / ".venv" / "kept"
    marker.touch()
    (machine.tree / "requirements" / "tools.txt").write_text("# changed\n", encoding="utf-8")
    run = machine.bootstrap()
    assert run.returncode == 0, run.stdout + run.stderr
    assert "Installing the locked packages" in run.stdout
    assert marker.exists()


def test_the_set_dev_contains_tools(machine: Machine) -> None:
    machine.program("python3", machine.python)
    assert machine.bootstrap("dev").returncode == 0
    assert "up to date" in machine.bootstrap("tools").stdout
    assert "up to date" in machine.bootstrap("dev").stdout


def test_an_environment_of_another_place_is_made_anew(machine: Machine) -> None:
    machine.program("python3", machine.python)
    assert machine.bootstrap().returncode == 0
    moved = machine.tree.with_name("moved")
    machine.tree.rename(moved)
    machine.tree = moved
    assert "up to date" not in machine.bootstrap().stdout


def test_our_own_python_is_on_the_path(machine: Machine) -> None:
    machine.program("python3", machine.python)
    assert machine.bootstrap().returncode == 0
    for package in ("udf/anomaly/src/one", "udf/kapacitor_udf/src/two", "three"):
        (machine.tree / package).mkdir(parents=True)
        (machine.tree / package / "__init__.py").touch()
    subprocess.run([machine.tree / ".venv" / "bin" / "python", "-c", "import one, two, three"], cwd="/", check=True)


def test_a_second_work_tree_with_a_link_to_the_environment_runs_its_own_code(machine: Machine) -> None:
    machine.program("python3", machine.python)
    assert machine.bootstrap().returncode == 0
    second = machine.tree.with_name("second")
    for tree in (machine.tree, second):
        (tree / "udf/anomaly/src/one").mkdir(parents=True)
        (tree / "udf/anomaly/src/one/__init__.py").touch()
    (second / ".venv").symlink_to(machine.tree / ".venv")
    run = subprocess.run(
        [second / ".venv" / "bin" / "python", "-c", "import one; print(one.__file__)"],
        cwd="/",
        check=True,
        capture_output=True,
        text=True,
    )
    assert run.stdout == f"{second}/udf/anomaly/src/one/__init__.py\n"


def test_ansible_and_its_modules_keep_bytecode(machine: Machine) -> None:
    machine.program("python3", machine.python)
    assert machine.bootstrap().returncode == 0
    (site,) = (machine.tree / ".venv" / "lib").glob("python*/site-packages")
    assert list((site / "__pycache__").glob("ansible_bytecode.*.pyc"))
    hooks = subprocess.run(
        [machine.tree / ".venv" / "bin" / "python", "-c", "import sys; print(sys.path_hooks[0].__name__)"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert hooks.stdout == "payload_importer\n"


def test_a_changed_importer_is_installed(machine: Machine) -> None:
    machine.program("python3", machine.python)
    assert machine.bootstrap().returncode == 0
    importer = machine.tree / "scripts" / "ansible_bytecode.py"
    importer.write_text(importer.read_text() + "# changed\n", encoding="utf-8")
    assert "up to date" not in machine.bootstrap().stdout
    (installed,) = (machine.tree / ".venv" / "lib").glob("python*/site-packages/ansible_bytecode.py")
    assert installed.read_text().endswith("# changed\n")


def test_ansibles_programs_start_through_scripts_ansible(machine: Machine) -> None:
    machine.program("python3", machine.python)
    assert machine.bootstrap().returncode == 0
    program = machine.tree / ".venv" / "bin" / "ansible-playbook"
    program.write_text("#!/bin/sh\necho pip's\n", encoding="utf-8")
    (machine.tree / "scripts" / "ansible").write_text("import sys; print(sys.argv[1:])\n", encoding="utf-8")
    (machine.tree / "requirements" / "tools.txt").write_text("# changed\n", encoding="utf-8")
    assert machine.bootstrap().returncode == 0
    run = subprocess.run([program, "site.yml", "-e", "a b"], check=True, capture_output=True, text=True)
    assert run.stdout == f"['{program}', 'site.yml', '-e', 'a b']\n"


def test_a_locale_that_is_not_installed_does_not_matter(machine: Machine) -> None:
    machine.program("python3", machine.python)
    run = machine.bootstrap(LC_ALL="xx_XX.UTF-8")
    assert run.returncode == 0, run.stdout + run.stderr
    assert "setlocale" not in run.stderr + machine.log_text


@pytest.mark.parametrize("sudo", [False, True])
def test_a_newer_python_is_installed_where_python_is_too_old(machine: Machine, sudo: bool) -> None:
    machine.program("python3", OLD_PYTHON)
    machine.program("python3.11", machine.python)
    hidden = (machine.bin / "python3.11").rename(machine.tree / "python3.11")
    machine.program("apt-get", f'case "$*" in install*python3.11*) cp "{hidden}" "{machine.bin}/python3.11" ;; esac')
    if sudo:
        machine.program("sudo", '[ "$1" = -v ] || exec "$@"')
        (machine.bin / "id").unlink()
        machine.program("id", "echo 1000")
    run = machine.bootstrap()
    assert run.returncode == 0, run.stdout + run.stderr
    installs = [line for line in machine.called("apt-get") if "install" in line]
    assert installs == ["apt-get install -y --no-install-recommends python3.11 python3.11-venv"]
    assert bool(machine.called("sudo")) is sudo
    assert "python3.11" in run.stdout


def test_venv_is_installed_where_it_is_missing(machine: Machine) -> None:
    machine.program("python3", machine.python)
    (machine.bin / "python3.novenv").touch()
    machine.program("apt-get", f'case "$*" in install*-venv*) rm "{machine.bin}/python3.novenv" ;; esac')
    run = machine.bootstrap()
    assert run.returncode == 0, run.stdout + run.stderr
    minor = f"{sys.version_info.major}.{sys.version_info.minor}"
    assert f"apt-get install -y --no-install-recommends python{minor}-venv" in machine.called("apt-get")


def test_missing_packages_without_root_or_sudo_are_refused_with_the_fix(machine: Machine) -> None:
    machine.program("python3", OLD_PYTHON)
    machine.program("apt-get", "")
    (machine.bin / "id").unlink()
    machine.program("id", "echo 1000")
    run = machine.bootstrap()
    assert run.returncode != 0
    assert "needs root, and there is no sudo. Fix: run it as root" in run.stderr
    assert not machine.called("apt-get")


def test_a_system_without_apt_is_refused_with_the_fix(machine: Machine) -> None:
    machine.program("python3", OLD_PYTHON)
    run = machine.bootstrap()
    assert run.returncode != 0
    assert "no apt-get. Fix: " in run.stderr


def test_a_step_that_fails_shows_its_log(machine: Machine) -> None:
    machine.program("python3", OLD_PYTHON)
    machine.program("apt-get", "echo E: no such repository; exit 100")
    run = machine.bootstrap()
    assert run.returncode != 0
    assert "E: no such repository" in run.stderr
    assert "Refreshing apt's package lists failed; the whole log: " in run.stderr
    assert "E: no such repository" in machine.log_text


def test_a_failed_installation_is_tried_again(machine: Machine) -> None:
    machine.program("python3", machine.python)
    lock = machine.tree / "requirements" / "tools.txt"
    good = lock.read_text(encoding="utf-8")
    lock.write_text("no-such-package==1 --hash=sha256:" + "0" * 64 + "\n", encoding="utf-8")
    assert machine.bootstrap().returncode != 0
    assert "up to date" not in machine.bootstrap().stdout
    lock.write_text(good, encoding="utf-8")
    assert machine.bootstrap().returncode == 0


@pytest.mark.parametrize("arguments", [("prod",), ("tools", "dev"), ("../x",)])
def test_an_unknown_set_is_refused_with_the_known_sets(machine: Machine, arguments: tuple[str, ...]) -> None:
    run = machine.bootstrap(*arguments)
    assert run.returncode != 0
    assert "unknown set" in run.stderr
    assert "scripts/bootstrap dev" in run.stderr


# Builds nothing, but leaves what a compiler would.
BACKEND = """
import zipfile
from pathlib import Path

def build_editable(folder, config_settings=None, metadata_directory=None):
    Path("src/thing/part.cpython-0.so").touch()
    with zipfile.ZipFile(Path(folder) / "thing-1-py3-none-any.whl", "w") as wheel:
        wheel.writestr("thing-1.dist-info/METADATA", "Metadata-Version: 2.1\\nName: thing\\nVersion: 1\\n")
        wheel.writestr("thing-1.dist-info/WHEEL", "Wheel-Version: 1.0\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n")
        wheel.writestr("thing-1.dist-info/RECORD", "")
    return "thing-1-py3-none-any.whl"
"""
PYPROJECT = """\
[build-system]
requires = []
build-backend = "backend"
backend-path = ["."]

[[tool.setuptools.ext-modules]]
name = "thing.part"
sources = ["src/thing/part.pyx"]
"""


def test_parts_are_compiled_in_the_work_tree(machine: Machine) -> None:
    machine.program("python3", machine.python)
    machine.program("apt-get", "")
    package = machine.tree / "udf" / "thing"
    source = package / "src" / "thing" / "part.pyx"
    source.parent.mkdir(parents=True)
    source.touch()
    (package / "backend.py").write_text(BACKEND, encoding="utf-8")
    (package / "pyproject.toml").write_text(PYPROJECT, encoding="utf-8")
    assert "Compiling" not in machine.bootstrap("tools").stdout
    run = machine.bootstrap("dev")
    assert run.returncode == 0, run.stdout + run.stderr
    assert "Compiling a part of thing" in run.stdout
    minor = f"{sys.version_info.major}.{sys.version_info.minor}"
    assert f"apt-get install -y --no-install-recommends gcc libc6-dev python{minor}-dev" in machine.called("apt-get")
    assert "up to date" in machine.bootstrap("dev").stdout
    (built,) = source.parent.glob("*.so")
    built.unlink()
    assert "Compiling" in machine.bootstrap("dev").stdout
    source.write_text("# changed\n", encoding="utf-8")
    assert "Compiling" in machine.bootstrap("dev").stdout


def test_a_part_that_is_not_compiled_fails(machine: Machine) -> None:
    machine.program("python3", machine.python)
    machine.program("apt-get", "")
    source = machine.tree / "udf" / "thing" / "src" / "thing" / "part.pyx"
    source.parent.mkdir(parents=True)
    source.touch()
    (machine.tree / "udf/thing/backend.py").write_text(BACKEND.replace("part.", "other."), encoding="utf-8")
    (machine.tree / "udf/thing/pyproject.toml").write_text(PYPROJECT, encoding="utf-8")
    run = machine.bootstrap("dev")
    assert run.returncode != 0
    assert "nothing was compiled" in run.stderr
