"""Results of a broken run against those of an undisturbed one."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest

from anomaly.influxdb.client import SeriesChunk
from anomaly.models.model import Model
from anomaly.nanoseconds import rfc3339
from anomaly.pipeline import Pipeline, normalize
from anomaly.training.fit import train
from tests.faults.undisturbed import Place, Undisturbed
from tests.unit.anomaly import printers

PIPELINE: Pipeline = normalize([{**printers.PIPELINE.as_dict(), "parameters": {"trees": 10}}])[0]
WINDOW_NS = PIPELINE.window_ns


@pytest.fixture(scope="module")
def model() -> Model:
    windows = printers.windows(printers.clean(1, 20_000))
    return train(PIPELINE, windows, "first", seed=0).model


@dataclass
class Influx:
    """Answers queries of results: of scores, and of periods."""

    stored: list[tuple[dict[str, str], int, dict[str, float]]] = field(default_factory=list)
    periods: list[tuple[dict[str, str], int, dict[str, Any]]] = field(default_factory=list)

    def query(self, text: str, database: str) -> Iterator[SeriesChunk]:
        begin_ns, end_ns = (int(word) for word in text.split() if word.isdigit())
        for measurement, rows in (("score", self.stored), ("period", self.periods)):
            if f'FROM "{measurement}"' in text:
                for tags, time_ns, fields in rows:
                    if begin_ns <= time_ns < end_ns:
                        yield SeriesChunk(measurement, tags, ["time", *fields], [[time_ns, *fields.values()]])


@pytest.fixture
def truth(model: Model, monkeypatch: pytest.MonkeyPatch) -> Undisturbed:
    """An undisturbed run that has scored fifty windows, all of which are stored as they should be."""
    samples = printers.clean(5, 700)
    # The first of the windows that it has not scored yet are anomalous.
    samples[510:540, 1] += 9 * printers.SIGMA[1]
    (series,) = printers.runs(printers.windows(samples))
    monkeypatch.setattr(
        "tests.faults.undisturbed.read_series_windows",
        lambda influx, pipeline, begin_ns, end_ns: [
            series.where((series.begin_ns >= begin_ns) & (series.begin_ns < end_ns))
        ],
    )
    influx = Influx()
    truth = Undisturbed(PIPELINE, model, influx, "anomaly", 1, 0)  # type: ignore[arg-type]
    for end_ns in (20 * WINDOW_NS, 50 * WINDOW_NS + 1):
        assert truth.go_on(end_ns)
    for (name, begin_ns), (score, severity) in truth.scores.items():
        influx.stored.append(({"printer": name}, begin_ns, {"score": score, "severity": severity}))
    return truth


@pytest.fixture
def period(truth: Undisturbed) -> Place:
    """A period of the undisturbed run that is over, and is stored as it should be."""
    assert truth.go_on(70 * WINDOW_NS)
    ((place, fields),) = truth.periods.items()
    assert fields["state"] == "closed"
    influx: Any = truth.influx
    influx.periods.append(({"printer": place[0]}, place[1], dict(fields)))
    return place


def stored(truth: Undisturbed) -> list[tuple[dict[str, str], int, dict[str, float]]]:
    influx: Any = truth.influx
    rows: list[tuple[dict[str, str], int, dict[str, float]]] = influx.stored
    return rows


def test_equal_scores_are_right(truth: Undisturbed) -> None:
    assert len(truth.scores) == 50
    assert truth.until_ns == 50 * WINDOW_NS
    assert not truth.look()
    assert not truth.wrong_scores(0)


def test_windows_that_influxdb_has_no_points_of_are_waited_for(truth: Undisturbed) -> None:
    assert not truth.go_on(71 * WINDOW_NS)
    assert truth.until_ns == 50 * WINDOW_NS
    assert len(truth.scores) == 50


def test_a_missing_score_is_pending_until_it_is_there(truth: Undisturbed) -> None:
    row = stored(truth).pop(7)
    assert truth.look() == {("printer-1", row[1])}
    assert truth.wrong_scores(0) == {("printer-1", row[1])}
    stored(truth).append(row)
    assert not truth.look()


def test_the_first_and_the_last_places_are_explained(truth: Undisturbed) -> None:
    rows = stored(truth)
    lost = rows.pop(0)
    right = tuple(lost[2].values())
    kept = [("printer-1", begin_ns) for _, begin_ns, _ in rows]

    said = truth.explain([*kept, ("printer-1", lost[1])]).splitlines()

    assert said[0] == f"printer-1 1970-01-01T00:00:00Z: stored None, right is {right}"
    assert said[1].startswith("printer-1 1970-01-01T00:00:10Z: stored [(")
    assert [line.split()[1] for line in said[-2:]] == ["1970-01-01T00:08:00Z:", "1970-01-01T00:08:10Z:"]
    assert len(said) == 10
    assert len(truth.explain(kept[:7]).splitlines()) == 7


def test_a_score_that_differs_by_more_than_the_tolerance_is_wrong(truth: Undisturbed) -> None:
    fields = stored(truth)[7][2]
    fields["score"] *= 1 + 1e-12
    assert not truth.wrong_scores(0)
    fields["score"] *= 1 + 1e-7
    assert truth.look() == truth.wrong_scores(0) == {("printer-1", stored(truth)[7][1])}


def test_a_score_that_is_there_twice_is_wrong(truth: Undisturbed) -> None:
    tags, begin_ns, fields = stored(truth)[7]
    stored(truth).append(({**tags, "host": "b"}, begin_ns, fields))
    assert truth.look() == {("printer-1", begin_ns)}


def test_a_score_of_a_window_without_points_is_wrong(truth: Undisturbed) -> None:
    stored(truth).append(({"printer": "printer-9"}, 0, {"score": 1.0, "severity": 1.0}))
    assert truth.wrong_scores(0) == {("printer-9", 0)}
    assert not truth.wrong_scores(1)


def test_what_was_right_and_is_gone_is_wrong(truth: Undisturbed) -> None:
    assert not truth.look()
    stored(truth).pop(7)
    assert not truth.look()
    assert len(truth.wrong_scores(0)) == 1
    assert np.isfinite(list(truth.scores.values())).all()


def stored_periods(truth: Undisturbed) -> list[tuple[dict[str, str], int, dict[str, Any]]]:
    influx: Any = truth.influx
    rows: list[tuple[dict[str, str], int, dict[str, Any]]] = influx.periods
    return rows


def test_an_equal_period_is_right(truth: Undisturbed, period: Place) -> None:
    assert not truth.wrong_periods(truth.until_ns)


def test_the_severities_of_a_period_are_kept_as_they_rise_while_it_is_open(truth: Undisturbed, period: Place) -> None:
    (peaks,) = truth.peaks.values()

    assert list(truth.peaks) == [period]
    assert len(peaks) == truth.periods[period]["points"]
    assert peaks == sorted(peaks)
    assert peaks[-1] == truth.periods[period]["peak_severity"]


def test_periods_that_differ_are_wrong_and_are_explained(truth: Undisturbed, period: Place) -> None:
    (tags, begin_ns, fields), right = stored_periods(truth)[0], truth.periods[period]
    fields["points"] = 7
    stored_periods(truth).append((tags, begin_ns + WINDOW_NS, dict(fields)))
    invented = (period[0], begin_ns + WINDOW_NS)

    wrong = truth.wrong_periods(truth.until_ns)
    said = truth.explain_periods(wrong).splitlines()

    assert wrong == {period, invented}
    assert said == [
        f"printer-1 {rfc3339(begin_ns)}: stored {fields}, right is {right}",
        f"printer-1 {rfc3339(invented[1])}: stored {fields}, right is None",
    ]


def test_a_period_that_is_not_stored_is_explained(truth: Undisturbed, period: Place) -> None:
    stored_periods(truth).clear()

    wrong = truth.wrong_periods(truth.until_ns)

    assert wrong == {period}
    assert truth.explain_periods(wrong) == (
        f"printer-1 {rfc3339(period[1])}: stored None, right is {truth.periods[period]}"
    )
