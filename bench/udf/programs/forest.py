"""Ours: every point scored with the forest of `forest.py MODEL FIELD...`, which adds the field `score`."""

import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING

from kapacitor_udf import STREAM, UDF, Context, FieldRows, FieldsHandler, run

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_MODEL, *_FIELDS = sys.argv[1:]


class Score(FieldsHandler):
    """Scores what has arrived at once."""

    def __init__(self, context: Context) -> None:
        import numpy as np

        from anomaly.detectors.forest.served import IsolationForest

        super().__init__(context, fields=_FIELDS, adds={"score": float})
        with np.load(_MODEL) as arrays:
            self._forest = IsolationForest.from_arrays(arrays)

    def add_fields(self, rows: FieldRows) -> "Mapping[str, NDArray[np.float64]]":
        """The scores."""
        return {"score": self._forest.score(rows.values)}


if __name__ == "__main__":
    run(UDF(wants=STREAM, provides=STREAM, handler=Score, name="forest"))
