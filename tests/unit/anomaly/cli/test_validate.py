"""`anomaly validate`: a specification is valid, or each mistake is named."""

from pathlib import Path

import pytest

from anomaly.cli.common import read_pipelines
from anomaly.pipeline import SpecError
from tests.unit.anomaly.cli.command import Run


def test_a_specification_that_is_not_valid(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "pipelines.yml"
    path.write_text("pipelines:\n- {name: a, databse: x, window: 10s}\n- {name: a}\n")
    ran = run("validate", str(path))
    assert ran.code == 2
    assert ran.last["status"] == "failed"
    lines = ran.err.splitlines()
    assert len(lines) == 9
    assert lines[0] == 'anomaly: pipelines[0] "a": databse: "x" is under an unknown key: did you mean database?'


def test_validate_says_what_is_there(run: Run, spec: Path) -> None:
    ran = run("validate", str(spec))
    assert (ran.code, ran.last) == (0, {"status": "valid", "pipelines": ["printer"]})


@pytest.mark.parametrize("text", ["{", "a: b: c", "3", ""])
def test_a_file_that_is_no_specification(run: Run, tmp_path: Path, text: str) -> None:
    (tmp_path / "x").write_text(text)
    assert run("validate", str(tmp_path / "x")).code == 2


@pytest.mark.parametrize(
    "text",
    [
        "- {name: 2026-13-45}",
        "- {name: !!bool abc}",
        "- {name: !!timestamp abc}",
        "- {memory: " + "9" * 5000 + "}",
        "[" * 9999,
    ],
)
def test_a_document_that_no_parser_reads_is_one_error(tmp_path: Path, text: str) -> None:
    file = tmp_path / "pipelines.yml"
    file.write_text(text, encoding="utf-8")
    with pytest.raises(SpecError, match=r"pipelines\.yml (is neither JSON nor YAML: |nests too deeply: )"):
        read_pipelines(str(file))


def test_a_key_that_is_there_twice_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "pipelines.yml"
    file.write_text("pipelines:\n  - &a\n    name: x\n    window: 1m\n    window: 2m\n  - *a\n", encoding="utf-8")
    with pytest.raises(SpecError, match=r"pipelines\.yml: line 5: window is there twice: remove one"):
        read_pipelines(str(file))
