"""Two versions side by side."""

from anomaly.models.manifest import Difference, differences, facts

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
    assert facts(BEFORE) == {
        "range.from": "2023-12-31T00:00:00Z",
        "range.to": "2024-01-01T00:00:00Z",
        "counts.windows": 8640,
        "features": ["mean(bed)"],
    }


def test_names_and_sums_make_no_difference() -> None:
    after = {**BEFORE, "version": "v2", "created": "2024-02-01T00:00:00Z", "parent": "v1", "files": {}}
    assert differences(BEFORE, after) == []


def test_each_difference_is_named_once_with_both_values() -> None:
    after = {
        **BEFORE,
        "range": {"from": "2023-12-31T00:00:00Z", "to": "2024-01-02T00:00:00Z"},
        "counts": {"windows": 17280, "left_out": 3},
        "series": [["b"], ["c"]],
    }
    assert differences(BEFORE, after) == [
        Difference("range.to", "2024-01-01T00:00:00Z", "2024-01-02T00:00:00Z"),
        Difference("counts.windows", 8640, 17280),
        Difference("counts.left_out", None, 3),
        Difference("series that only one has", ["a"], ["c"]),
    ]
