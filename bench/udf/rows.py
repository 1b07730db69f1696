"""The rows: what is measured, and with which command."""

from dataclasses import dataclass

from bench.udf.data import FIELDS, TAG
from bench.udf.prepare import PROGRAMS, Tools

NAMES = ("none", "go_echo", "stock_echo", "stock_forest", "objects", "echo", "forest", "arrays")


@dataclass(frozen=True)
class Row:
    """What is measured.

    Attributes:
        name: the row's name.
        title: its name for people.
        command: starts the UDF; without one, there is none.
        adds: a field that its points must have.
        points_per_result: the UDF emits a point for the first of this many points.
    """

    name: str
    title: str
    command: tuple[str, ...] = ()
    adds: str = ""
    points_per_result: int = 1

    def results(self, points: int) -> int:
        """Return how many points the UDF emits for the first `points` points."""
        return -(-points // self.points_per_result)


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
        Row("objects", "ours, echo of objects", (python, str(PROGRAMS / "objects.py"))),
        Row("echo", "ours, echo", (python, str(PROGRAMS / "echo.py"))),
        Row(
            "forest",
            "ours, 100 trees",
            (python, str(PROGRAMS / "forest.py"), str(tools.model / "forest.npz"), *FIELDS),
            adds="score",
        ),
        Row(
            "arrays",
            "ours, one point for 5",
            (python, str(PROGRAMS / "arrays.py"), TAG, *FIELDS),
            points_per_result=5,
        ),
    )
    return {row.name: row for row in found}
