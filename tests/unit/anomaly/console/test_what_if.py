"""The page What if; tests/conformance/test_console_what_if.py has a browser try it."""

from pathlib import Path

import pytest

from anomaly.console.trials import DONE, FAILED, Trials, TrialState
from tests.unit.anomaly.console.made import client, make_app
from tests.unit.anomaly.printers import PIPELINE


class NeverCopied(str):
    """A part of a result, which may be large."""

    def __deepcopy__(self, memo: object) -> "NeverCopied":
        raise AssertionError("a result was copied")


def test_a_result_is_told_in_the_words_of_pages_and_not_copied(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sides = {"specification": {"name": "printer"}, "now": {"severities": [NeverCopied("many")]}}
    result = {**sides, "notes": ["train again on two days (training.from, --from)"]}
    state = TrialState(PIPELINE.name, "otto", {}, ("24h", "0s"), DONE, result=result)
    monkeypatch.setattr(Trials, "state", state)
    browser = client(make_app(tmp_path, [PIPELINE])[0], "otto")

    page, script = browser.get("/what-if"), browser.get("/api/what-if")

    assert 'data-trial="done"' in page.text
    # Notes name no option of a command line.
    notes = ["train again on two days (training.from)"]
    assert script.json()["result"] == {**sides, "notes": notes, "yaml": '- name: "printer"'}


def test_the_page_opens_although_the_last_trial_no_longer_fits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    state = TrialState(PIPELINE.name, "otto", {"fields": []}, ("24h", "0s"), FAILED)
    monkeypatch.setattr(Trials, "state", state)

    shown = client(make_app(tmp_path, [PIPELINE])[0], "otto").get("/what-if")

    assert shown.status_code == 200
    assert f'value="{PIPELINE.window}"' in shown.text
