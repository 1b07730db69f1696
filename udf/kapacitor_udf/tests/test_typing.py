"""What a type checker in strict mode makes of users' code: the examples pass, and wrong declarations do not."""

import re
from pathlib import Path

import pytest

import kapacitor_udf

FOLDER = Path(__file__).parents[1]

# An ignored error that is none would be one: strict mode warns of unused comments.
DECLARATIONS = """
from kapacitor_udf import (
    BATCH, STREAM, UDF, Batch, BatchHandler, BatchSink, Context, FieldsHandler, Point, PointSink, StreamHandler,
)
from kapacitor_udf.testing import Harness


class Points(StreamHandler[PointSink]):
    pass


class PointsToBatches(StreamHandler[BatchSink]):
    pass


class Batches(BatchHandler[BatchSink]):
    pass


class Adding(FieldsHandler):
    def __init__(self, context: Context) -> None:
        super().__init__(context, fields=["a"], adds={"b": float})


def edge(name: str) -> None:
    UDF(wants=STREAM, provides=STREAM if name else BATCH, handler="module:Handler")


points = UDF(wants=STREAM, provides=STREAM, handler=Points)
batches = UDF(wants=BATCH, provides=BATCH, handler=Batches)
UDF(wants=STREAM, provides=BATCH, handler=PointsToBatches)
UDF(wants=STREAM, provides=STREAM, handler=Adding)
UDF(wants=STREAM, provides=STREAM, handler=lambda context: Points(context))
UDF(wants=STREAM, provides=STREAM, handler=Batches)  # type: ignore[call-overload]
UDF(wants=STREAM, provides=STREAM, handler=PointsToBatches)  # type: ignore[call-overload]
UDF(wants=BATCH, provides=BATCH, handler=Points)  # type: ignore[call-overload]
UDF(wants=BATCH, provides=STREAM, handler=Adding)  # type: ignore[call-overload]

fields: dict[str, float] = {"a": 1.0}
point = Point(1, fields)
point.fields["b"] = "text"
Point(1, {"a": object()})  # type: ignore[dict-item]

with Harness(points) as harness:
    answer: Point = harness.point(point)[0]
    answers: list[Point] = harness.tick()
    harness.feed([point])[0].points  # type: ignore[attr-defined]
with Harness(batches) as other:
    batch: Batch = other.batch(Batch("m", {}, [point], 1))[0]


def emits(out: PointSink) -> None:
    out.point(point)
    out.take()  # type: ignore[attr-defined]
    out.rewind()  # type: ignore[attr-defined]
"""


def test_examples_and_declarations_are_typed(tmp_path: Path, request: pytest.FixtureRequest) -> None:
    api = pytest.importorskip("mypy.api")
    programs = re.findall(r"```python\n(# .*?if __name__.*?)```", (FOLDER / "README.md").read_text(), re.S)
    assert len(programs) >= 3
    for number, program in enumerate([DECLARATIONS, *programs]):
        (tmp_path / f"program{number}.py").write_text(program)
    for example in (FOLDER / "examples").glob("*.py"):
        (tmp_path / example.name).write_bytes(example.read_bytes())
    # In a folder of site-packages, as users have it: its own errors are not theirs.
    site = tmp_path / "path"
    site.mkdir()
    (site / "kapacitor_udf").symlink_to(Path(kapacitor_udf.__file__).parent)
    config = tmp_path / "mypy.ini"
    config.write_text(f"[mypy]\nstrict = true\nmypy_path = {site}\n[mypy-kapacitor_udf.*]\nfollow_imports = silent\n")
    cache = request.config.cache
    found, errors, _ = api.run(
        [
            "--config-file", str(config),
            "--cache-dir", str(cache.mkdir("mypy") if cache else tmp_path / "cache"),
            *sorted(map(str, tmp_path.glob("*.py"))),
        ]
    )  # fmt: skip
    assert errors == ""
    assert found.startswith("Success: no issues found in "), found
