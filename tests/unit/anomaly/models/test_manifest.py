"""The manifest: its keys, and two versions side by side."""

import json

from anomaly.models.manifest import (
    SCHEMA,
    CalibrationRecord,
    ContextRecord,
    CountsRecord,
    Difference,
    FeedbackRecord,
    KnownPeriodsRecord,
    Manifest,
    PromiseRecord,
    RangeRecord,
    SeriesModelsRecord,
    StoredFile,
    TrainingRecord,
    TrendsRecord,
    differences,
)
from tests.unit.anomaly.printers import PIPELINE

BEFORE = {
    "version": "v1",
    "created": "2024-01-01T00:00:00Z",
    "parent": None,
    "files": {"model.npz": {"sha256": "a"}},
    "range": {"from": "2023-12-31T00:00:00Z", "to": "2024-01-01T00:00:00Z"},
    "counts": {"windows": 8640},
    "features": ["mean(bed)"],
    "series": [["a"], ["b"]],
}


def test_facts_are_single_values() -> None:
    assert Manifest.from_json(BEFORE).facts() == {
        "range.from": "2023-12-31T00:00:00Z",
        "range.to": "2024-01-01T00:00:00Z",
        "counts.windows": 8640,
        "features": ["mean(bed)"],
    }


def test_names_and_sums_make_no_difference() -> None:
    after = {**BEFORE, "version": "v2", "created": "2024-02-01T00:00:00Z", "parent": "v1", "files": {}}
    assert differences(Manifest.from_json(BEFORE), Manifest.from_json(after)) == []


def test_each_difference_is_named_once_with_both_values() -> None:
    after = {
        **BEFORE,
        "range": {"from": "2023-12-31T00:00:00Z", "to": "2024-01-02T00:00:00Z"},
        "counts": {"windows": 17280, "left_out": 3},
        "series": [["b"], ["c"]],
    }
    assert differences(Manifest.from_json(BEFORE), Manifest.from_json(after)) == [
        Difference("range.to", "2024-01-01T00:00:00Z", "2024-01-02T00:00:00Z"),
        Difference("counts.windows", 8640, 17280),
        Difference("counts.left_out", None, 3),
        Difference("series that only one has", ["a"], ["c"]),
    ]


def test_a_training_record_writes_the_keys_that_manifests_always_had() -> None:
    record = TrainingRecord(
        created="2024-01-01T00:00:00Z",
        window="10s",
        range=RangeRecord("2023-12-31T00:00:00Z", "2024-01-01T00:00:00Z", ("24h", "0s")),
        counts=CountsRecord(9000, 8640, 360, 2, 86_400),
        pooled=[("a",)],
        context=ContextRecord(("lag",), {"difference": "too short"}, ("lag(bed)",)),
        trends=TrendsRecord(1, "2024-01-05T00:00:00Z", ((("a",), "mean(bed)", 0.8),)),
        models=SeriesModelsRecord((("a",),), (("b",),)),
        untrained={"count": 1, "series": {"c": "no point"}},
        warm_up="1d, and at least 50 windows",
        feedback=FeedbackRecord(("1f",), 12, ("2a",)),
        known_periods=KnownPeriodsRecord(6, (("b",),)),
        seed=0,
        libraries={"anomaly": "0.1.0"},
        calibration=CalibrationRecord(8640, 0.01, 0.5, 7.0),
        quality={"warnings": ()},
    )

    assert record.to_json() == {
        "created": "2024-01-01T00:00:00Z",
        "parent": None,
        "window": "10s",
        "range": {"from": "2023-12-31T00:00:00Z", "to": "2024-01-01T00:00:00Z", "asked": ["24h", "0s"]},
        "counts": {"read": 9000, "windows": 8640, "left_out": 360, "series": 2, "points": 86_400},
        "untrained": {"count": 1, "series": {"c": "no point"}},
        "pooled": [["a"]],
        "context": {"used": ["lag"], "left_out": {"difference": "too short"}, "columns": ["lag(bed)"]},
        "trends": {
            "count": 1,
            "until": "2024-01-05T00:00:00Z",
            "steepest": [{"series": ["a"], "feature": "mean(bed)", "a_day": 0.8}],
        },
        "models": {"own": [["a"]], "pooled": [["b"]]},
        "warm_up": "1d, and at least 50 windows",
        "feedback": {"marks": ["1f"], "left_out": 12, "learned": ["2a"]},
        "known_periods": {"left_out": 6, "kept": [["b"]]},
        "seed": 0,
        "libraries": {"anomaly": "0.1.0"},
        "calibration": {"scores": 8640, "tail": 0.01, "excess": 0.5, "threshold": 7.0},
        "quality": {"warnings": ()},
        "challenge": None,
    }
    assert list(record.to_json()) == list(TrainingRecord.__dataclass_fields__)


def test_a_calibration_says_up_to_where_severity_means_what_it_says() -> None:
    calibration = CalibrationRecord(8640, 0.01, 0.5, 7.0, PromiseRecord(62.5, ("it rises",)))
    section = calibration.to_json()
    assert section["promise"] == {"until": 62.5, "doubts": ["it rises"]}


def test_a_manifest_reads_what_a_record_wrote() -> None:
    record = TrainingRecord(
        created="2024-01-01T00:00:00Z",
        parent="v0",
        range=RangeRecord("2023-12-31T00:00:00Z", "2024-01-01T00:00:00Z", ("24h", "0s")),
        counts=CountsRecord(windows=8640),
        feedback=FeedbackRecord(("1f",), 12, ("2a",)),
        seed=7,
        libraries={"anomaly": "0.1.0"},
    )
    files = {"model.npz": StoredFile("ab", 3)}

    manifest = Manifest.described("v1", PIPELINE, ["mean(bed)"], [("a",)], record, files)
    again = Manifest.from_json(json.loads(json.dumps(manifest.to_json())))

    assert (again.schema, again.version, again.fingerprint) == (SCHEMA, "v1", PIPELINE.fingerprint)
    assert (again.created, again.parent, again.seed) == ("2024-01-01T00:00:00Z", "v0", 7)
    assert (again.range, again.counts, again.feedback) == (record.range, record.counts, record.feedback)
    assert (again.features, again.series, again.files) == (("mean(bed)",), (("a",),), files)
    assert again.misfit(PIPELINE) is None


def test_a_manifest_of_any_program_can_be_read() -> None:
    manifest = Manifest.from_json({"schema": 1, "range": "24h", "libraries": {"anomaly": "0.0.9"}})

    assert manifest.range == RangeRecord()
    assert manifest.counts == CountsRecord()
    assert "schema 1 in the model, made by anomaly 0.0.9" in str(manifest.outdated())


def test_what_people_ask_of_a_model_has_a_name() -> None:
    promise = {"until": 80.0, "doubts": ["the history is short"]}
    content = {"untrained": {"count": 2}, "trends": {"count": 3}, "calibration": {"promise": promise}}
    manifest, empty = Manifest.from_json(content), Manifest.from_json({"calibration": None, "trends": "none"})

    assert (manifest.untrained, manifest.trends, manifest.doubts) == (2, 3, ("the history is short",))
    assert (empty.untrained, empty.trends, empty.doubts) == (0, 0, ())
