"""One training from request to outcome: what is stored, what is kept, and what is refused."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from anomaly.influxdb.client import InfluxClient
from anomaly.models.store import Store
from anomaly.pipeline import SpecError, normalize
from anomaly.pipeline.source_keys import SourceKeys
from anomaly.scoring.feedback_file import feedback_path, read_marks
from anomaly.training.progress import SilentProgress
from anomaly.training.run import (
    REFUSED,
    TRAINED,
    UNCHANGED,
    TrainingOutcome,
    TrainingRequest,
    train_pipeline,
)
from tests.unit.anomaly.influxdb_double import InfluxDB
from tests.unit.anomaly.models.test_store import changed, outdate
from tests.unit.anomaly.printers import FIELDS, PIPELINE

BEGIN, END = "1970-01-01T00:00:00Z", "1970-01-01T00:50:00Z"


class Ear(SilentProgress):
    """Keeps what is said."""

    def __init__(self) -> None:
        self.said: list[str] = []
        self.hooks: dict[str, Callable[[], None]] = {}

    def say(self, message: str) -> None:
        self.said.append(message)
        for begin in [begin for begin in self.hooks if message.startswith(begin)]:
            self.hooks.pop(begin)()

    def note(self, message: str) -> None:
        self.say(f"warning: {message}")


class Desk:
    """Asks for trainings of one pipeline, and keeps what was said."""

    def __init__(self, influxdb: InfluxDB, folder: Path) -> None:
        self.influx = InfluxClient(influxdb.url, "reader", "secret")
        self.models = folder / "models"
        self.store = Store(self.models, "printer")
        self._ear = Ear()

    @property
    def said(self) -> list[str]:
        return self._ear.said

    def when_said(self, begin: str, do: Callable[[], None]) -> None:
        """Do something once, when a message with this begin is said."""
        self._ear.hooks[begin] = do

    def train(self, *, pipeline: dict[str, Any] | None = None, **more: Any) -> TrainingOutcome:
        (asked,) = normalize([{**PIPELINE.as_dict(), "parameters": {"trees": 10}, **(pipeline or {})}])
        request = TrainingRequest(asked, self.models, "anomaly", **{"begin": BEGIN, "end": END, **more})
        return train_pipeline(self.influx, request, self._ear)


@pytest.fixture
def desk(influxdb: InfluxDB, tmp_path: Path) -> Desk:
    return Desk(influxdb, tmp_path)


def test_a_training_stores_and_promotes_a_version(desk: Desk) -> None:
    outcome = desk.train()
    assert (outcome.status, outcome.windows, outcome.series) == (TRAINED, 600, 2)
    assert (outcome.begin_ns, outcome.end_ns) == (0, 3_000_000_000_000)
    assert outcome.version == desk.store.current()
    assert outcome.path == desk.store.path / str(outcome.version)
    assert desk.said[-1] == f"model printer/{outcome.version} is stored in {outcome.path} and current"
    assert any(
        line.startswith("the state of 2 series needs about 1 MiB of the pipeline's memory") for line in desk.said
    )


def test_series_without_a_window_to_train_on_are_named(desk: Desk, influxdb: InfluxDB) -> None:
    windows = influxdb.windows
    on_change = windows.series == 1
    windows.values[on_change, 1::2] = float("nan")
    windows.counts[on_change] = 1

    outcome = desk.train()

    reason = "each window has at most one point of hotend, which has no stddev"
    (warned,) = [line for line in desk.said if "no window to train on" in line]
    assert warned.startswith(
        "warning: 1 of 2 series have no window to train on, so they have no baseline of their own: "
    )
    assert f"printer-2 (300 windows: {reason}): for series that report on change write" in warned
    assert warned.removeprefix("warning: ") in outcome.notes
    content = desk.store.manifest(str(outcome.version)).content
    listed = {"series": ["printer-2"], "windows": 300, "reason": reason}
    assert content["untrained"] == {"count": 1, "series": [listed]}


def test_a_version_that_somebody_promoted_meanwhile_stays(desk: Desk) -> None:
    first = desk.train()
    second = desk.train(promote=False, seed=1)
    desk.when_said("beside the current model", lambda: desk.store.promote(str(second.version)))

    third = desk.train(seed=2)

    assert third.status == REFUSED
    assert desk.store.current() == second.version
    newest = desk.store.versions()[-1]
    assert newest.manifest.parent == first.version
    assert (
        f"model {newest.name} is stored, and was not made current: {second.version} of printer is current by now"
        in (third.message)
    )


def test_without_promotion_the_current_version_stays(desk: Desk) -> None:
    first = desk.train()
    second = desk.train(promote=False, seed=1)
    assert second.status == TRAINED
    assert {version.name for version in desk.store.versions()} == {first.version, second.version}
    assert desk.store.current() == first.version


def test_two_versions_of_one_second_have_different_names(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("anomaly.training.run.time_ns", lambda: 4_000_000_000_000)
    first, second = desk.train(), desk.train(force=True)
    assert second.version == f"{first.version}-2"


def test_a_training_that_would_make_the_same_model_is_left_out(desk: Desk) -> None:
    first = desk.train()
    again = desk.train(if_needed=True)
    assert (again.status, again.version) == (UNCHANGED, first.version)
    assert (again.windows, again.series) == (first.windows, first.series)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"seed": 5}, "the current model has seed 0, now 5 is asked for"),
        ({"end": "1970-01-01T00:49:00Z"}, "the current model was asked for .*, now .* is"),
        ({"pipeline": {"parameters": {"trees": 11}}}, "parameters: "),
    ],
)
def test_whatever_would_change_the_model_is_a_reason_to_train(desk: Desk, change: dict[str, Any], reason: str) -> None:
    first = desk.train()
    again = desk.train(if_needed=True, **change)
    assert again.status == TRAINED
    assert again.version != first.version
    assert any(re.match(f"training again: .*{reason}", line) for line in desk.said), desk.said


@pytest.mark.parametrize("change", [{"schema": 1}, {"features": ["hotend_median"]}])
def test_a_model_of_another_release_is_made_again_with_its_range_and_its_seed(
    desk: Desk, change: dict[str, Any]
) -> None:
    first = desk.train(seed=5)
    changed(desk.store, str(first.version), **change)

    again = desk.train(if_outdated=True, begin=None, end=None)

    assert (again.status, again.windows) == (TRAINED, first.windows)
    assert (again.begin_ns, again.end_ns) == (first.begin_ns, first.end_ns)
    assert desk.store.current() == again.version != first.version
    assert desk.store.manifest(str(again.version)).seed == 5


def test_only_a_model_of_another_release_is_outdated(desk: Desk) -> None:
    without = desk.train(if_outdated=True)
    first = desk.train()
    fits = desk.train(if_outdated=True)
    other = desk.train(if_outdated=True, pipeline={"window": "20s"})
    assert [outcome.status for outcome in (without, fits, other)] == 3 * [UNCHANGED]
    assert desk.store.current() == first.version


def test_a_new_mark_is_a_reason_to_train_and_leaves_its_windows_out(desk: Desk, influxdb: InfluxDB) -> None:
    first = desk.train()
    influxdb.write('feedback,pipeline=printer kind="maintenance",end_ms=60000i 0')
    again = desk.train(if_needed=True)
    assert again.windows == first.windows - 12
    (mark,) = read_marks(feedback_path(desk.models, "printer"))
    assert f"training again: marks of feedback are newer than the current model: maintenance {mark.id} from " in (
        "\n".join(desk.said)
    )
    assert desk.store.manifest(str(again.version)).to_json()["feedback"]["left_out"] == 12


def test_windows_in_known_periods_are_left_out_and_told(desk: Desk, influxdb: InfluxDB) -> None:
    first = desk.train()
    influxdb.write('period,pipeline=printer,printer=printer-1 end_ms=160000i,reason="bed",state="closed" 100000000000')
    influxdb.write('period,pipeline=printer,printer=printer-2 end_ms=900000i,reason="no data",state="closed" 1000000')
    influxdb.write('period,pipeline=other,printer=printer-1 end_ms=900000i,reason="bed",state="closed" 1000000')

    again = desk.train(force=True)

    assert again.windows == first.windows - 6
    assert any(line.startswith("warning: left out: 6 windows in periods that nobody") for line in desk.said)
    content = desk.store.manifest(str(again.version)).content
    assert content["known_periods"] == {"left_out": 6, "kept": []}


def test_windows_in_periods_that_are_false_alarms_are_trained_on(desk: Desk, influxdb: InfluxDB) -> None:
    first = desk.train()
    influxdb.write('period,pipeline=printer,printer=printer-1 end_ms=160000i,reason="bed",state="closed" 100000000000')
    influxdb.write('feedback,pipeline=printer,printer=printer-1 kind="false_alarm",end_ms=160000i 100000000000')

    again = desk.train(force=True)

    assert again.windows == first.windows


def test_a_version_says_which_share_of_planted_offsets_it_finds(desk: Desk) -> None:
    outcome = desk.train()
    found = desk.store.manifest(str(outcome.version)).found
    assert found is not None
    assert 0.0 < found <= 1.0


def test_a_version_that_cannot_be_used_is_replaced_and_not_compared(desk: Desk) -> None:
    first = desk.train()
    outdate(desk.store, str(first.version))
    again = desk.train(if_needed=True)
    assert again.status == TRAINED
    assert any(line.startswith("the new model is not compared with the current one: ") for line in desk.said)


def test_a_refusal_is_an_outcome_and_stores_nothing(desk: Desk) -> None:
    outcome = desk.train(end="1970-01-01T00:10:00Z")
    assert outcome.status == REFUSED
    assert outcome.version is None
    assert outcome.path is None
    assert outcome.message.startswith("pipeline printer: ")
    assert "at least 200 are needed" in outcome.message
    assert desk.said[-1] == f"anomaly: {outcome.message}"
    assert not desk.store.versions()


def test_a_range_without_a_whole_window_is_an_error(desk: Desk) -> None:
    with pytest.raises(SpecError):
        desk.train(begin="1970-01-01T00:00:01Z", end="1970-01-01T00:00:09Z")


def test_what_patterns_mean_and_leave_out_is_told(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    keys = SourceKeys({**{name: ["float"] for name in FIELDS}, "job": ["string"]}, ["printer"])
    monkeypatch.setattr("anomaly.training.run.read_source_keys", lambda influx, pipeline: keys)

    outcome = desk.train(pipeline={"fields": ["*"]})

    assert outcome.status == "trained"
    names = ", ".join(sorted(FIELDS))
    assert f"pipeline printer: its patterns mean the fields {names}, the tags printer" in desk.said
    assert [note for note in outcome.notes if note.startswith("fields: 1 field of strings")]
