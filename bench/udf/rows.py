"""The rows: what is measured, and with which command."""

from dataclasses import dataclass

from bench.udf.data import FIELDS
from bench.udf.prepare import PROGRAMS, Tools

NAMES = ("none", "go_echo", "stock_echo", "stock_forest", "echo", "forest")


@dataclass(frozen=True)
class Row:
    """`command` starts the UDF; without one, there is none. `adds`: a field that its points must have."""

    name: str
    title: str
    command: tuple[str, ...] = ()
    adds: str = ""


def rows(tools: Tools) -> dict[str, Row]:
    """All rows by name."""
    python = str(tools.python)
    found = (
        Row("none", "no UDF"),
        Row("go_echo", "Kapacitor's Go agent", (str(tools.go_echo),)),
        Row("stock_echo", "Kapacitor's Python agent", (python, str(PROGRAMS / "stock.py"))),
        Row(
            "stock_forest",
            "the same, scikit-learn on each",
            (python, str(PROGRAMS / "stock.py"), str(tools.model / "forest.joblib"), *FIELDS),
            adds="score",
        ),
        Row("echo", "ours, echo", (python, str(PROGRAMS / "echo.py"))),
        Row(
            "forest",
            "ours, 100 trees",
            (python, str(PROGRAMS / "forest.py"), str(tools.model / "forest.npz"), *FIELDS),
            adds="score",
        ),
    )
    return {row.name: row for row in found}
