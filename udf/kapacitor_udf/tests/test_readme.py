"""The README's examples are what they say: they are the first thing that anybody copies."""

import re
from pathlib import Path
from typing import Any

import kapacitor_udf
from kapacitor_udf import DOUBLE, INT, STREAM, STRING, UDF, Option, Point
from kapacitor_udf.testing import Harness

README = Path(__file__).parents[1] / "README.md"


def declared(begins: str, monkeypatch: Any) -> UDF[Any]:
    """What the program of the README that begins with this comment would run."""
    (code,) = re.findall(rf"```python\n(# {begins}.*?)```", README.read_text(), re.S)
    found: list[UDF[Any]] = []
    monkeypatch.setattr(kapacitor_udf, "run", found.append)
    exec(compile(code, "README.md", "exec"), {"__name__": "__main__"})  # noqa: S102 - our own README
    (udf,) = found
    return udf


def test_the_example_works(monkeypatch: Any) -> None:
    udf = declared("moving.py", monkeypatch)
    assert (udf.wants, udf.provides) == (STREAM, STREAM)
    assert {name: option.types for name, option in udf.options.items()} == {"field": (STRING,), "size": (INT,)}
    assert isinstance(udf.options["size"], Option)
    with Harness(udf, {"field": "usage", "size": 2}) as harness:
        assert harness.handler.context.options["size"] == 2
        out = harness.feed([Point(n, {"usage": n}, {"host": "a"}, "cpu", ["host"]) for n in (1, 2, 3)])
    assert [point.fields["mean"] for point in out] == [1.0, 1.5, 2.5]


def test_the_example_of_the_fast_path_works(monkeypatch: Any) -> None:
    udf = declared("Adds `power`", monkeypatch)
    assert {name: option.types for name, option in udf.options.items()} == {"limit": (DOUBLE,)}
    with Harness(udf, {"limit": 2.0}) as harness:
        out = harness.feed([Point(n, {"volt": 1.0, "ampere": n}) for n in (1, 2, 3)])
    assert [point.fields for point in out] == [{"volt": 1.0, "ampere": 3, "power": 3.0}]


def test_the_example_of_rows_works(monkeypatch: Any) -> None:
    with Harness(declared("Counts the points", monkeypatch)) as harness:
        out = harness.feed([Point(n, {"usage": 1.0}, {"host": "ab"[n % 2]}) for n in range(300)])
    assert [(point.time, point.tags, point.fields) for point in out] == [
        (198, {"host": "a"}, {"points": 100}),
        (199, {"host": "b"}, {"points": 100}),
    ]
