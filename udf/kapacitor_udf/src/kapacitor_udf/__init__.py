"""Kapacitor user-defined functions in Python: declare a UDF, write a handler, `run` it. See the README.

What the modules do, from the wire up, all without I/O but the last four: `_framing` cuts bytes into messages, `_wire`
encodes and decodes them, `_receiver` sorts them into units of work, `_life` is the state machine, `_worker` calls the
handler (`_handlers`, `_data`, `_declaration`, `_groups`) and answers for it, `_inbox` is the queue between reading and
handling, `_session` connects all this to two descriptors, `_process` to stdin and stdout, `_server` to the connections
of a Unix socket (`_listener`). `__main__` records conversations and replays them (`_record`, `_recording`, `_replay`).

`_rows`, `_row_codec` and `_group_numbers` are the fast path of a FieldsHandler. `_loops` takes what of it is compiled
(`_compiled`), or else does without (`_uncompiled`).
"""

from ._counters import Counters
from ._data import BATCH, STREAM, Batch, EdgeType, FieldValue, Point
from ._declaration import BOOL, DOUBLE, DURATION, INT, STRING, UDF, Metrics, Option, ValueType
from ._errors import DeclarationError, InitError, Rejected, UDFError
from ._groups import Groups
from ._handlers import BatchHandler, BatchSink, Context, FieldsHandler, Handler, PointSink, StreamHandler
from ._loops import compiled
from ._process import run
from ._rows import Rows
from ._server import serve
from ._session import Limits

__version__ = "0.1.0"

__all__ = [
    "BATCH",
    "BOOL",
    "DOUBLE",
    "DURATION",
    "INT",
    "STREAM",
    "STRING",
    "UDF",
    "Batch",
    "BatchHandler",
    "BatchSink",
    "Context",
    "Counters",
    "DeclarationError",
    "EdgeType",
    "FieldValue",
    "FieldsHandler",
    "Groups",
    "Handler",
    "InitError",
    "Limits",
    "Metrics",
    "Option",
    "Point",
    "PointSink",
    "Rejected",
    "Rows",
    "StreamHandler",
    "UDFError",
    "ValueType",
    "__version__",
    "compiled",
    "run",
    "serve",
]
