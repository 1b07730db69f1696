"""scripts/ansible_bytecode.py: a module's imports are compiled once, and only what this user keeps is trusted."""

from __future__ import annotations

import ast
import sys
import zipfile
import zipimport
from pathlib import Path
from types import CodeType

import pytest
from ansible.executor import module_common

from scripts import ansible_bytecode
from scripts.ansible_bytecode import PayloadImporter, payload_importer

SOURCES = {
    "parcel/__init__.py": "from parcel.inner import where\n",
    "parcel/inner.py": "def where():\n    return (lambda: where.__code__.co_filename)()\n",
}


@pytest.fixture
def kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of the bytecode."""
    monkeypatch.setattr(ansible_bytecode, "FOLDER", str(tmp_path / "kept"))
    return tmp_path / "kept"


def payload(folder: Path, sources: dict[str, str] = SOURCES) -> str:
    """Return the path of a zip file as Ansible makes them for each run of a module."""
    folder.mkdir()
    path = folder / "ansible_stat_payload.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for name, source in sources.items():
            archive.writestr(name, source)
    return str(path)


def names(code: CodeType) -> set[str]:
    """Return the file names in code and all that is in it."""
    return {code.co_filename}.union(*(names(part) for part in code.co_consts if isinstance(part, CodeType)))


def run(code: CodeType) -> dict[str, object]:
    variables: dict[str, object] = {}
    exec(code, variables)  # noqa: S102 (the point of the test)
    return variables


def test_a_module_is_imported_as_from_any_zip_file(kept: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    archive = payload(tmp_path / "a")
    monkeypatch.setattr(sys, "path_hooks", [payload_importer, *sys.path_hooks])
    monkeypatch.syspath_prepend(archive)
    import parcel  # type: ignore[import-not-found]

    try:
        assert parcel.__file__ == f"{archive}/parcel/__init__.py"
        assert parcel.where() == f"{archive}/parcel/inner.py"
        assert isinstance(parcel.__loader__, PayloadImporter)
    finally:
        for name in ("parcel", "parcel.inner"):
            sys.modules.pop(name)


def test_a_source_that_was_met_before_is_not_compiled(
    kept: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    PayloadImporter(f"{payload(tmp_path / 'a')}/parcel").get_code("parcel.inner")
    second = PayloadImporter(f"{payload(tmp_path / 'b')}/parcel")
    monkeypatch.setattr(zipimport.zipimporter, "get_code", None)
    code = second.get_code("parcel.inner")
    assert names(code) == {f"{tmp_path / 'b'}/ansible_stat_payload.zip/parcel/inner.py"}


def test_a_changed_source_is_compiled_anew(kept: Path, tmp_path: Path) -> None:
    archives = [payload(tmp_path / value, {"thing.py": f"value = '{value}'\n"}) for value in ("old", "new")]
    values = [run(PayloadImporter(archive).get_code("thing"))["value"] for archive in archives]
    assert values == ["old", "new"]
    assert len(list(kept.iterdir())) == 2


def test_damaged_bytecode_is_replaced(kept: Path, tmp_path: Path) -> None:
    importer = PayloadImporter(payload(tmp_path / "a", {"thing.py": "value = 1\n"}))
    importer.get_code("thing")
    (file,) = kept.iterdir()
    whole = file.read_bytes()
    file.write_bytes(whole[:10])
    assert run(importer.get_code("thing"))["value"] == 1
    assert file.read_bytes() == whole


def test_bytecode_that_somebody_else_may_have_written_is_not_run(kept: Path, tmp_path: Path) -> None:
    importer = PayloadImporter(payload(tmp_path / "a", {"thing.py": "value = 1\n"}))
    importer.get_code("thing")
    (file,) = kept.iterdir()
    kept.chmod(0o777)
    file.write_bytes(b"nothing that can be run")
    assert run(importer.get_code("thing"))["value"] == 1
    assert file.read_bytes() == b"nothing that can be run"


def test_other_places_are_left_to_other_importers(tmp_path: Path) -> None:
    for path in (str(tmp_path), str(tmp_path / "other.zip")):
        with pytest.raises(ImportError):
            payload_importer(path)


@pytest.mark.parametrize("is_package", [False, True])
def test_ansible_finds_the_same_imports_in_what_is_kept_of_a_source(is_package: bool) -> None:
    folder = Path(module_common.__file__).parents[1]
    sources = [
        path.read_bytes() for name in ("modules", "module_utils") for path in sorted((folder / name).glob("*.py"))
    ]
    assert len(sources) > 50
    for source in sources:
        whole, kept_part = (
            module_common.ModuleDepFinder("a.b.c.d", ast.parse(text), is_package)
            for text in (source, ansible_bytecode.imports(source))
        )
        assert kept_part.submodules == whole.submodules
        assert kept_part.optional_imports == whole.optional_imports


def test_damaged_imports_are_replaced(kept: Path) -> None:
    source = b"import os\n\ndef late():\n    import sys\n"
    content = ansible_bytecode.kept_imports(source)
    (file,) = kept.iterdir()
    file.write_bytes(content[:5])
    assert ansible_bytecode.kept_imports(source) == content == file.read_bytes()
