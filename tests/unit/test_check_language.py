"""scripts/check-language finds what docs/style.md forbids, and only in prose."""

from pathlib import Path
from types import ModuleType

import pytest

from tests.unit.scripts import load_script


@pytest.fixture(scope="module")
def check_language() -> ModuleType:
    return load_script("check-language")


@pytest.mark.parametrize(
    "sentence",
    [
        "Of these the default is left out.",
        "It reads. Of these it keeps one.",
        "The same as before.",
        "See above for more.",
        "It works? No. It fails.",
        "This is no model.",
        "It takes so many points.",
        "Look whether it runs.",
        "Bring a UDF of one's own.",
        "It learns what is usual.",
    ],
)
def test_a_forbidden_sentence_is_found_in_each_kind_of_file(check_language: ModuleType, sentence: str) -> None:
    found = [
        list(check_language.python(f'"""{sentence}"""\n')),
        list(check_language.python(f"x = 1\n# {sentence}\n")),
        list(check_language.markdown(f"# Title\n\n- {sentence}\n")),
        list(check_language.hashed(f"key: value\n# {sentence}\n")),
    ]

    assert [len(findings) for findings in found] == [1, 1, 1, 1]


@pytest.mark.parametrize(
    "text",
    [
        '"""It says `Of these`, and there is no compiler."""\n',
        '"""It is no longer there; of course not."""\n',
        'message = "Of these"\n',
        '"""See `x` for the format, and the rest below."""\n',
    ],
)
def test_code_quotations_and_plain_sentences_pass(check_language: ModuleType, text: str) -> None:
    assert list(check_language.python(text)) == []


def test_a_docstring_that_is_a_reference_alone_is_found(check_language: ModuleType) -> None:
    findings = list(check_language.python('def f():\n    """See `Base.f`."""\n'))

    assert [line for line, _ in findings] == [2]


def test_code_blocks_and_tables_of_markdown_pass(check_language: ModuleType) -> None:
    text = "Title\n\n```sh\n# Of these\n```\n\n| Of these | so many |\n"

    assert list(check_language.markdown(text)) == []


def test_a_task_is_named_topic_and_verb(check_language: ModuleType) -> None:
    text = """\
- name: Network | Ensure the network is there
- name: Network | Look around
- name: Network | Check it
  block:
    - name: Ensure it
    - name: "Network | Read a name of
        two lines"
"""

    assert [line for line, _ in check_language.tasks(text)] == [2, 5]
    assert [line for line, _ in check_language.tasks(text, needs_topic=False)] == [2]


def test_the_tasks_of_plays_are_named_by_verb_and_plays_are_not(check_language: ModuleType) -> None:
    text = """\
- name: The whole stack
  hosts: all
  tasks:
    - name: Ensure it
    - name: Do it
- name: The rest
  ansible.builtin.import_playbook: site.yml
"""

    assert [line for line, _ in check_language.tasks(text, needs_topic=False)] == [5]


def test_a_comment_of_four_lines_is_found_except_at_the_begin_of_a_file(check_language: ModuleType) -> None:
    comment = "# One.\n# Two.\n# Three.\n# Four.\n"
    two_paragraphs = comment.replace("# Three", "#\n# Three")

    assert [line for line, _ in check_language.hashed(f"key: value\n\n{comment}")] == [3]
    assert [line for line, _ in check_language.python(f"x = 1\n\n{comment}")] == [3]
    assert list(check_language.hashed(f"#!/bin/sh\n{comment}")) == []
    assert list(check_language.hashed(f"key: value\n{two_paragraphs}")) == []


def test_a_finding_names_file_line_and_sentence(
    check_language: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "page.md").write_text("Fine.\n\nOf these none is.\n")
    monkeypatch.setattr(check_language, "ROOT", tmp_path)
    monkeypatch.setattr(check_language, "files", lambda arguments: ["page.md"])

    assert check_language.main([]) == 1
    assert capsys.readouterr().out.startswith("page.md:3: begins with 'Of'")
