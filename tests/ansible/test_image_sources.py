"""What the role images packs for a host that builds is all that the images are made from."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parents[2]
IMAGES = ("influxdb", "kapacitor", "kapacitor-python")


def references(repository: Path) -> dict[str, str]:
    """Return the references of our images, whose tags are hashes of all that they are made from."""
    command = [sys.executable, str(repository / "images" / "build.py"), "tag", "--json", *IMAGES]
    found = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    assert isinstance(found, dict)
    return found


def test_the_packed_sources_make_the_same_images(tmp_path: Path) -> None:
    (_, block) = yaml.safe_load((ROOT / "roles" / "images" / "tasks" / "sources.yml").read_text(encoding="utf-8"))
    (pack,) = (task for task in block["block"] if task["name"] == "sources | Create the package")
    places = {"{{ __images_package.path }}": str(tmp_path), "{{ __images_repository }}": str(ROOT)}
    arguments = pack["ansible.builtin.command"]["argv"]
    for template, place in places.items():
        arguments = [argument.replace(template, place) for argument in arguments]

    subprocess.run(arguments, check=True)
    (tmp_path / "host").mkdir()
    subprocess.run(["tar", "-xzf", tmp_path / "sources.tar.gz", "-C", tmp_path / "host"], check=True)

    assert references(tmp_path / "host") == references(ROOT)
