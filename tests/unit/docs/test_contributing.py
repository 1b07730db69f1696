"""CONTRIBUTING.md and SECURITY.md: what they name is there, and what they say of versions is true."""

import re
import tomllib
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[3]
# Commands of the page run in the root, or in the library's folder.
FOLDERS = (ROOT, ROOT / "udf" / "kapacitor_udf")


def page(name: str) -> str:
    return re.sub(r"https?://\S+", "", (ROOT / name).read_text(encoding="utf-8"))


@pytest.mark.parametrize("name", ["CONTRIBUTING.md", "SECURITY.md"])
def test_every_path_of_the_page_exists(name: str) -> None:
    paths = set(re.findall(r"(?<![\w./-])[a-z]\w+(?:/[\w.-]*\w)+", page(name)))
    named = {path for path in paths if (ROOT / path.partition("/")[0]).is_dir() and not path.startswith("build/")}

    assert named
    assert {path for path in named if not any((folder / path).exists() for folder in FOLDERS)} == set()


def test_every_target_of_make_exists() -> None:
    targets = set(re.findall(r"(?:^|`)make ([a-z-]+)", page("CONTRIBUTING.md"), re.MULTILINE))
    rules = re.findall(r"^([a-z -]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)

    assert targets
    assert targets - {target for rule in rules for target in rule.split()} == set()


def test_the_repository_has_one_version() -> None:
    distribution = tomllib.loads((ROOT / "udf" / "anomaly" / "pyproject.toml").read_text(encoding="utf-8"))
    collection = yaml.safe_load((ROOT / "galaxy.yml").read_text(encoding="utf-8"))
    assert distribution["project"]["version"] == collection["version"]
