"""Ours: every point as it came, by the fast path."""

from collections.abc import Mapping

from kapacitor_udf import STREAM, UDF, Context, FieldRows, FieldsHandler, run


class Echo(FieldsHandler):
    """An echo: it asks for no field and adds no field."""

    def __init__(self, context: Context) -> None:
        super().__init__(context, fields=[], adds={})

    def add_fields(self, rows: FieldRows) -> Mapping[str, list[float]]:
        """Return no fields."""
        return {}


if __name__ == "__main__":
    run(UDF(wants=STREAM, provides=STREAM, handler=Echo, name="echo"))
