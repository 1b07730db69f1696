"""Ours, `arrays.py TAG FIELD...`: points in as arrays, and a point of its own for every fifth one, as windows give."""

import sys

from kapacitor_udf import STREAM, UDF, Context, PointHead, PointSink, Rows, RowsHandler, run

_TAG, *_FIELDS = sys.argv[1:]
_EVERY = 5


class Fifths(RowsHandler):
    """Emits the fields and the group of the first point and of every fifth one after it."""

    def __init__(self, context: Context) -> None:
        super().__init__(context, fields=_FIELDS, tags=[_TAG])
        self._heads: dict[int, PointHead] = {}
        self._seen = 0

    def rows(self, rows: Rows, out: PointSink) -> None:
        """Emit what is due among these points."""
        due = slice(-self._seen % _EVERY, None, _EVERY)
        self._seen += len(rows)
        heads = [self._head(group) for group in rows.groups[due].tolist()]
        if heads:
            out.rows(heads, rows.times[due], dict(zip(_FIELDS, rows.values[due].T, strict=True)))

    def _head(self, group: int) -> PointHead:
        head = self._heads.get(group)
        if head is None:
            (value,) = self.groups.key(group)
            head = self._heads[group] = PointHead("result", {_TAG: value}, [_TAG])
        return head


if __name__ == "__main__":
    run(UDF(wants=STREAM, provides=STREAM, handler=Fifths, name="arrays"))
