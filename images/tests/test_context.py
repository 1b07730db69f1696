"""A tag has to change with what an image is made from, and with nothing else."""

from __future__ import annotations

import io
import os
import tarfile
from pathlib import Path

import pytest

from images.driver.catalog import Image
from images.driver.context import content_hash, context_archive, context_files


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    package = tmp_path / "udf/anomaly/src"
    package.mkdir(parents=True)
    (package / "main.py").write_text("print(1)\n")
    (tmp_path / "images/thing").mkdir(parents=True)
    (tmp_path / "images/thing/Dockerfile").write_text("FROM scratch\n")
    return tmp_path


THING = Image(
    name="thing",
    title="Thing",
    version="1",
    files={".": "images/thing", "udf": "udf"},
    bases={"DEBIAN_IMAGE": "debian"},
)
BASES = {"DEBIAN_IMAGE": "x/debian:13"}


def tag(repository: Path, image: Image = THING, bases: dict[str, str] = BASES) -> str:
    return content_hash(image, context_files(image, repository), bases)


def test_files_are_found_by_their_place_in_the_context(repository: Path) -> None:
    assert list(context_files(THING, repository)) == ["Dockerfile", "udf/anomaly/src/main.py"]


def test_caches_and_hidden_files_change_nothing(repository: Path) -> None:
    before = tag(repository)
    caches = ("udf/anomaly/src/__pycache__/main.cpython-313.pyc", "udf/.ruff_cache/x", "images/thing/list.in")
    for name in (*caches, "udf/anomaly/src/fast.c", "udf/anomaly/src/fast.cpython-313-x86_64-linux-gnu.so"):
        path = repository / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("x")
    assert tag(repository) == before


def test_times_and_the_umask_change_nothing(repository: Path) -> None:
    before = tag(repository)
    dockerfile = repository / "images/thing/Dockerfile"
    os.utime(dockerfile, (1, 1))
    dockerfile.chmod(0o600)
    assert tag(repository) == before


def test_content_names_modes_versions_and_bases_change_the_tag(repository: Path) -> None:
    main = repository / "udf/anomaly/src/main.py"
    seen = [tag(repository)]
    main.chmod(0o755)
    seen.append(tag(repository))
    main.write_text("print(2)\n")
    seen.append(tag(repository))
    main.rename(main.with_name("other.py"))
    seen.append(tag(repository))
    newer = Image(name="thing", title="Thing", version="2", files=THING.files, bases=THING.bases)
    seen.append(tag(repository, newer))
    seen.append(tag(repository, newer, {"DEBIAN_IMAGE": "debian:13-slim"}))
    assert len(set(seen)) == len(seen)


def test_a_missing_source_is_named(repository: Path) -> None:
    image = Image(name="thing", title="Thing", version="1", files={"gone": "images/gone"})
    with pytest.raises(FileNotFoundError, match="images/gone"):
        context_files(image, repository)


def test_the_archive_has_the_files_and_the_bundle_and_no_times(repository: Path) -> None:
    archive = context_archive(context_files(THING, repository), b"CA")
    with tarfile.open(fileobj=io.BytesIO(archive)) as contents:
        members = {member.name: member for member in contents.getmembers()}
        bundle = contents.extractfile("ca-bundle.pem")
        assert bundle is not None
        assert bundle.read() == b"CA"
    assert set(members) == {"Dockerfile", "udf/anomaly/src/main.py", "ca-bundle.pem"}
    assert {member.mtime for member in members.values()} == {0}
