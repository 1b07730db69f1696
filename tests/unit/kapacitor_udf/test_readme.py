"""The README's example is what it says: it is the first thing that anybody copies."""

import re
from pathlib import Path
from typing import Any

from kapacitor_udf import INT, STREAM, STRING, UDF, Option, Point
from kapacitor_udf.testing import Harness

README = Path(__file__).parents[3] / "udf" / "kapacitor_udf" / "README.md"


def test_the_example_works() -> None:
    code = re.findall(r"```python\n(.*?)```", README.read_text(), re.S)[0]
    module: dict[str, Any] = {"__name__": "readme"}
    exec(compile(code, "README.md", "exec"), module)  # noqa: S102 - our own README
    declared: list[UDF] = []
    module["run"] = declared.append
    exec(code[code.index("    run(") :].replace("\n    ", "\n").strip(), module)  # noqa: S102
    (udf,) = declared
    assert (udf.wants, udf.provides) == (STREAM, STREAM)
    assert {name: option.types for name, option in udf.options.items()} == {"field": (STRING,), "size": (INT,)}
    assert isinstance(udf.options["size"], Option)
    with Harness(udf, {"field": "usage", "size": 2}) as harness:
        out = harness.feed([Point(n, {"usage": n}, {"host": "a"}, "cpu", ["host"]) for n in (1, 2, 3)])
    assert [point.fields["mean"] for point in out] == [1.0, 1.5, 2.5]
