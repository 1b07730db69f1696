"""Results as line protocol."""

import numpy as np

from anomaly.influxdb.lines import line, lines
from anomaly.pipeline import normalize
from anomaly.scoring.results import Result, ResultColumns

(PIPELINE,) = normalize(
    [
        {
            "name": "p",
            "database": "d",
            "measurement": "m",
            "fields": ["x"],
            "group_by": ["room"],
            "window": "10s",
            "detector": "robust_z",
        }
    ]
)


def test_a_line_keeps_every_type_and_every_digit() -> None:
    tags = {"pipeline": "p", "room": "a b,c=d\\e", "floor": ""}
    result = Result("score", tags, 12, {"x y": 0.1 + 0.2, "n": 3, "ok": True, "text": 'say "a\\b"'})
    assert line(result) == (
        r'score,pipeline=p,room=a\ b\,c\=d\e x\ y=0.30000000000000004,n=3i,ok=true,text="say \"a\\b\"" 12'
    )


def test_a_tag_stays_in_its_line() -> None:
    result = Result("feedback", {"printer": "a\nintruder v=1\\"}, 12, {"v": 1})
    assert line(result) == "feedback,printer=a\\nintruder\\ v\\=1\\\\  v=1i 12"


def test_columns_are_the_lines_of_their_points() -> None:
    columns = ResultColumns(
        PIPELINE,
        "score",
        [("50 %d",), ("b",), ("nobody",)],
        np.array([1, 0, 0, 1]),
        np.array([10, 20, 30, 40]),
        {
            "score": np.array([0.1 + 0.2, 1e300, np.nan, 7.0]),
            "label": np.array([0, 1, 0, 1]),
            "threshold": 2.5,
            "model": "100 %",
            "feedback": None,
            "ok": True,
        },
    )

    found = list(lines([*columns, columns]))

    assert found[:4] == [
        'score,pipeline=p,room=b score=0.30000000000000004,label=0i,threshold=2.5,model="100 %",ok=true 10',
        'score,pipeline=p,room=50\\ %d score=1e+300,label=1i,threshold=2.5,model="100 %",ok=true 20',
        'score,pipeline=p,room=50\\ %d label=0i,threshold=2.5,model="100 %",ok=true 30',
        'score,pipeline=p,room=b score=7.0,label=1i,threshold=2.5,model="100 %",ok=true 40',
    ]
    assert sorted(found[4:]) == sorted(found[:4])


def test_columns_of_objects_are_the_lines_of_their_points() -> None:
    marks = np.array([None, "0a1b"], dtype=np.object_)
    columns = ResultColumns(PIPELINE, "score", [("a",)], np.array([0, 0]), np.array([1, 2]), {"x": 1.5, "f": marks})

    assert list(lines([columns])) == ["score,pipeline=p,room=a x=1.5 1", 'score,pipeline=p,room=a x=1.5,f="0a1b" 2']
