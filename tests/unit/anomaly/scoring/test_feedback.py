"""What people say of periods: it suppresses what is alike, and silences maintenance."""

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest

from anomaly.locations import CALENDARS_VARIABLE, MODELS_VARIABLE
from anomaly.models.model import Verdict, Verdicts
from anomaly.models.store import Store
from anomaly.pipeline import normalize
from anomaly.pipeline.calendars_file import calendars_document, calendars_name
from anomaly.scoring.feedback import FALSE_ALARM, MAINTENANCE, TRUE, Feedback, Mark
from anomaly.scoring.feedback_file import feedback_path, write_marks
from anomaly.windows.arrays import Key
from anomaly.windows.windows import Windows
from tests.unit.anomaly import printers
from tests.unit.anomaly.printers import PIPELINE, WINDOW_NS
from tests.unit.anomaly.scoring.marks import LOOK, MARK, SAMPLES, begins, broken, streamed
from tests.unit.anomaly.serving.test_handler import T0, batch, blocks, harness, named, periods

KEY = ("printer-1",)


@pytest.fixture
def models(store: Store, monkeypatch: pytest.MonkeyPatch) -> Store:
    monkeypatch.setenv(MODELS_VARIABLE, str(store.models))
    return store


def verdict(
    score: float = 10.0,
    contribution: tuple[float, ...] = (0.1, 0.8, 0.1),
    value: tuple[float, ...] = (220.0, 96.0, 28.0),
) -> Verdict:
    return Verdict(score, 80.0, 12.0, value, (218.0, 89.0, 27.5), (222.0, 91.0, 28.5), contribution)


def suppressor(
    feedback: Feedback, key: Key, begin_ns: int, window: Verdict, learned: frozenset[str] = frozenset()
) -> str | None:
    """The id of the mark that keeps a window out of periods; None without one."""
    none = np.zeros(1, dtype=np.intp)
    return feedback.suppressed((key,), none, np.array([begin_ns]), Verdicts.of([window]), learned).get(0)


@pytest.mark.parametrize(
    ("window", "fits"),
    [
        (verdict(), True),
        (verdict(score=11.0), True),
        (verdict(score=11.1), False),
        (verdict(contribution=(0.3, 0.6, 0.1)), True),
        (verdict(contribution=(0.8, 0.1, 0.1)), False),
        # A quarter of the bed's expected range, which is 2 wide, beside 95 to 97 still counts.
        (verdict(value=(220.0, 97.4, 28.0)), True),
        (verdict(value=(220.0, 97.6, 28.0)), False),
        (verdict(value=(220.0, 84.0, 28.0)), False),
    ],
)
def test_a_window_is_like_a_false_alarm_in_loudness_reason_and_place(window: Verdict, fits: bool) -> None:
    assert LOOK.resemble(Verdicts.of([window])).tolist() == [fits]
    found = suppressor(Feedback(PIPELINE, [MARK]), KEY, 10**15, window)
    assert (found == MARK.id) == fits


def test_a_mark_is_for_its_series_and_until_it_is_learned() -> None:
    feedback = Feedback(PIPELINE, [MARK])
    assert suppressor(feedback, ("printer-2",), 0, verdict()) is None
    assert suppressor(feedback, KEY, 0, verdict(), frozenset({MARK.id})) is None
    everywhere = Feedback(PIPELINE, [replace(MARK, series={})])
    assert suppressor(everywhere, ("printer-2",), 0, verdict()) is not None


def test_a_look_of_other_fields_is_none() -> None:
    assert suppressor(Feedback(PIPELINE, [MARK]), KEY, 0, verdict(contribution=(1.0,))) is None


def test_maintenance_is_every_window_that_it_touches() -> None:
    feedback = Feedback(PIPELINE, [Mark(MAINTENANCE, WINDOW_NS + 1, 3 * WINDOW_NS, {})])
    touched = [suppressor(feedback, KEY, n * WINDOW_NS, verdict()) is not None for n in range(5)]
    assert touched == [False, True, True, False, False]


def test_training_leaves_out_maintenance_and_true_anomalies_only() -> None:
    windows = printers.windows(SAMPLES, SAMPLES)
    marks = [
        Mark(MAINTENANCE, 0, 2 * WINDOW_NS, {}),
        Mark(TRUE, 5 * WINDOW_NS, 6 * WINDOW_NS, {"printer": "printer-2"}),
        Mark(FALSE_ALARM, 8 * WINDOW_NS, 9 * WINDOW_NS, {}),
    ]
    out = Feedback(PIPELINE, marks).excluded(windows)
    assert np.flatnonzero(out).tolist() == [0, 1, 90, 91, 95]


def test_maintenance_opens_no_period_and_keeps_the_scores(models: Store) -> None:
    before = streamed(broken())
    assert begins(before) == [20, 40, 60]
    mark = Mark(MAINTENANCE, T0 + 18 * WINDOW_NS, T0 + 26 * WINDOW_NS, {"printer": "printer-1"})
    write_marks(feedback_path(models.models, "printer"), [mark])
    after = streamed(broken())
    assert begins(after) == [40, 60]
    scores = named(after, "score")
    assert [point.fields["severity"] for point in scores] == [p.fields["severity"] for p in named(before, "score")]
    suppressed = [number for number, point in enumerate(scores) if "feedback" in point.fields]
    assert suppressed == list(range(18, 26))
    assert scores[20].fields["feedback"] == mark.id
    assert scores[20].fields["label"] == 0


def test_maintenance_that_a_calendar_begins_to_say_reaches_a_running_udf(
    models: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(CALENDARS_VARIABLE, str(tmp_path))
    path = tmp_path / calendars_name("printer")
    path.write_text(calendars_document(PIPELINE))
    batches = [batch(number, block) for number, block in enumerate(blocks(broken()))]
    # From the 38th to the 46th window.
    begin = datetime.fromtimestamp((T0 + 38 * WINDOW_NS) // 1_000_000_000, UTC).replace(tzinfo=None).isoformat()
    service = {"means": "maintenance", "begin": begin, "lasts": "80s"}
    (served,) = normalize([{**PIPELINE.as_dict(), "calendars": [service]}])
    with harness() as udf:
        points = udf.feed(batches[:30])
        path.write_text(calendars_document(served))
        points += udf.feed(batches[30:])
    assert begins(points) == [20, 60]
    of_calendar = [point.time for point in named(points, "score") if point.fields.get("feedback") == "calendar"]
    assert of_calendar == [T0 + number * WINDOW_NS for number in range(38, 46)]
    assert "pipeline printer: calendars of maintenance and quiet times: 1" in "\n".join(udf.log)


def test_silence_during_maintenance_is_no_period(models: Store) -> None:
    quiet = SAMPLES.copy()
    quiet[300:500] = np.nan
    assert [period["reason"] for period in periods(streamed(quiet))] == ["no data"]
    mark = Mark(MAINTENANCE, T0 + 29 * WINDOW_NS, T0 + 52 * WINDOW_NS, {})
    write_marks(feedback_path(models.models, "printer"), [mark])
    assert periods(streamed(quiet)) == []


def test_a_calendar_keeps_windows_out_of_periods_and_of_training_as_maintenance_does() -> None:
    (pipeline,) = normalize(
        [
            {
                **printers.PIPELINE.as_dict(),
                "calendars": [
                    {"means": "maintenance", "begin": "2024-01-07T02:00", "lasts": "20s", "rule": "FREQ=DAILY"}
                ],
            }
        ]
    )
    feedback = Feedback(pipeline)
    second = 1_000_000_000
    at_ns = int(datetime(2024, 6, 1, 2, tzinfo=UTC).timestamp()) * second
    begins = at_ns + np.array([-10, 0, 10, 20]) * second
    windows = Windows((("a",),), np.zeros(4, dtype=np.intp), begins, np.zeros((4, 6)), np.full((4, 3), 10.0))
    assert feedback.excluded(windows).tolist() == [False, True, True, False]
    verdicts = Verdicts.of([verdict()] * 4)
    suppressed = feedback.suppressed((("a",),), windows.series, begins, verdicts, frozenset())
    assert suppressed == {1: "calendar", 2: "calendar"}
    assert feedback.in_maintenance(("a",), at_ns - 3600 * second, at_ns + second)
    assert not feedback.in_maintenance(("a",), at_ns + 20 * second, at_ns + 3600 * second)


@pytest.mark.parametrize(
    ("mark", "begin", "expected"),
    [
        pytest.param(Mark(MAINTENANCE, 10, 20, {"printer": "a"}), 15, True, id="of the series"),
        pytest.param(Mark(MAINTENANCE, 10, 20, {}), 15, True, id="of all series"),
        pytest.param(Mark(MAINTENANCE, 10, 20, {"printer": "b"}), 15, False, id="of another series"),
        pytest.param(Mark(MAINTENANCE, 10, 20, {"printer": "a"}), 20, False, id="at another time"),
        pytest.param(Mark(FALSE_ALARM, 10, 20, {"printer": "a"}), 15, False, id="another kind of mark"),
    ],
)
def test_a_series_is_in_maintenance_by_its_marks(mark: Mark, begin: int, expected: bool) -> None:
    assert Feedback(PIPELINE, [mark]).in_maintenance(("a",), begin, begin + 5) is expected


def test_a_true_mark_confirms_an_anomaly_of_its_series_at_its_time() -> None:
    feedback = Feedback(PIPELINE, [Mark(TRUE, 10, 20, {"printer": "a"}), Mark(FALSE_ALARM, 30, 40, {})])

    confirmed = [
        feedback.is_confirmed_anomaly(key, begin_ns, begin_ns + 5)
        for key, begin_ns in ((("a",), 6), (("a",), 19), (("a",), 20), (("a",), 30), (("b",), 15))
    ]

    assert confirmed == [True, True, False, False, False]
