"""Bills of materials: the files of an image as a container sees them, and what they say is installed."""

from __future__ import annotations

import gzip
import io
import json
import tarfile
from pathlib import Path

import pytest
from ansible_collections.influx_anomaly.stack.plugins.plugin_utils.image_archive import (
    ImageArchiveError,
    image_config,
    image_files,
)
from ansible_collections.influx_anomaly.stack.plugins.plugin_utils.image_bom import bill, go_modules
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

STATUS = """Package: dash
Status: install ok installed
Architecture: amd64
Version: 0.5.12-12

Package: gone
Status: deinstall ok config-files
Architecture: amd64
Version: 1
"""
METADATA = "Metadata-Version: 2.4\nName: Prometheus_Client\nVersion: 0.22.1\n\nA text.\nName: not-this\n"


def go_program() -> bytes:
    """A program as Go's linker leaves it: two modules, one of which is replaced by another."""
    lines = (
        "path\tx\nmod\texample.org/x\t(devel)\t\ndep\tgithub.com/a/b\tv1.2.3\th1:x\n"
        "dep\told.org/c\tv1.0.0\n=>\tnew.org/c\tv2.0.0\th1:y\n"
    )
    modules = b"0" * 16 + lines.encode() + b"1" * 16
    length = bytes([len(modules) & 0x7F | 0x80, len(modules) >> 7])
    return b"\x7fELF" + b"\xff Go buildinf:\x08\x02".ljust(32, b"\0") + b"\x08go1.25.1" + length + modules


def tar(files: dict[str, bytes], mode: int = 0o644) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size, member.mode = len(content), mode
            archive.addfile(member, io.BytesIO(content))
    return buffer.getvalue()


def archive(tmp_path: Path, *layers: bytes) -> Path:
    """What `docker save IMAGE | gzip` writes."""
    names = [f"{number}/layer.tar" for number in range(len(layers))]
    manifest = [{"Config": "config.json", "RepoTags": ["x:1"], "Layers": names}]
    config = {"created": "2026-01-02T03:04:05.123456789Z", "config": {"Env": ["PATH=/bin"]}}
    files: dict[str, bytes] = dict(zip(names, layers, strict=True))
    files |= {"manifest.json": json.dumps(manifest).encode(), "config.json": json.dumps(config).encode()}
    path = tmp_path / "image.tar.gz"
    path.write_bytes(gzip.compress(tar(files)))
    return path


def image(tmp_path: Path) -> Path:
    return archive(
        tmp_path,
        tar(
            {
                "var/lib/dpkg/status": b"Package: old\nVersion: 1\n",
                "opt/gone/x": b"",
                "opt/left/x": b"1",
                "removed": b"",
            }
        ),
        tar({"var/lib/dpkg/status": STATUS.encode(), "opt/gone/.wh..wh..opq": b"", ".wh.removed": b""}),
        tar({"opt/x.dist-info/METADATA": METADATA.encode()}),
        tar({"usr/bin/program": go_program(), "usr/bin/other": b"\x7fELF"}, mode=0o4755),
    )


def test_later_layers_hide_files_of_earlier_ones(tmp_path: Path) -> None:
    files = {file.path: (file.mode, file.size) for file in image_files(image(tmp_path))}

    assert sorted(files) == [
        "opt/left/x", "opt/x.dist-info/METADATA", "usr/bin/other", "usr/bin/program", "var/lib/dpkg/status",
    ]  # fmt: skip
    assert files["usr/bin/other"] == (0o4755, 4)
    assert image_config(image(tmp_path))["config"]["Env"] == ["PATH=/bin"]


def test_a_bill_names_what_is_installed_and_is_valid(tmp_path: Path) -> None:
    text = bill("registry.invalid/x", "1.2", image(tmp_path))

    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(text) is None
    document = json.loads(text)
    assert document["metadata"]["component"]["name"] == "registry.invalid/x"
    assert sorted(part["purl"] for part in document["components"]) == [
        "pkg:deb/debian/dash@0.5.12-12?arch=amd64",
        "pkg:golang/github.com/a/b@v1.2.3",
        "pkg:golang/new.org/c@v2.0.0",
        "pkg:golang/stdlib@1.25.1",
        "pkg:pypi/prometheus-client@0.22.1",
    ]


def test_a_bill_is_the_same_each_time(tmp_path: Path) -> None:
    assert bill("x", "1", image(tmp_path)) == bill("x", "1", image(tmp_path))


@pytest.mark.parametrize("program", [b"", b"\x7fELF", b"\xff Go buildinf:\x08\x00" + b"\0" * 40])
def test_other_programs_have_no_modules(program: bytes) -> None:
    assert list(go_modules(program)) == []


@pytest.mark.parametrize(
    "content", [b"", b"no archive", gzip.compress(tar({"x": b""}), mtime=0)], ids=["empty", "text", "compressed"]
)
def test_a_file_that_is_no_archive_is_named(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "x.tar.gz"
    path.write_bytes(content)

    with pytest.raises(ImageArchiveError, match=r"x\.tar\.gz is not an archive of an image"):
        list(image_files(path))


def test_a_folder_in_place_of_a_file_is_named(tmp_path: Path) -> None:
    path = tmp_path / "x.tar"
    with tarfile.open(path, "w") as archive:
        folder = tarfile.TarInfo("manifest.json")
        folder.type = tarfile.DIRTYPE
        archive.addfile(folder)

    with pytest.raises(ImageArchiveError, match=r"\(manifest\.json is not a regular file\)\. Fix: write it with"):
        image_config(path)
