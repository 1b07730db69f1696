"""User-defined functions for Kapacitor in Python: declare a UDF, write a handler, `run` it. The README is for users.

The modules in the order in which a point passes them. Only those that are marked with * read, write or wait.

- `__main__`*: the command line.
- `_process`*: Kapacitor starts the program; claims standard input and output, and holds one conversation.
- `_server`*, `_listener`*: Kapacitor dials a Unix socket; forks a process for each connection.
- `_stderr`*, `_log`: lines for people that cannot block or break the protocol.
- `_conversation`*: three threads on two descriptors, within `_limits`.
- `_reader`*: reads, and starts the `_countdown` at the end of input.
- `_framing`: cuts bytes into messages, by `_loops`: `_compiled`, or `_uncompiled` without a compiler; `_varint` holds
  what is before a message.
- `_receiver`: sorts messages into units of work.
- `_inbox`: the bounded queue between reading and handling.
- `_handling`*: takes units, drives the worker, and writes results to `_output`*.
- `_emitted`: what a task emits, until it is written.
- `_worker`: hands units to `_data_steps` or `_questions`, which call the handler behind a `_guard`.
- `_wire`: decodes and encodes messages, by `wire_pb2`, which is generated from `wire.proto`.
- `_rows`, `_row_codec`, `_row_decoder`, `_group_numbers`, `_identity`: the fast path of a `FieldsHandler`, and of a
  `RowsHandler`; `_point_head`, `_columns`: arrays out.
- `_snapshots`: wraps a handler's state so that a foreign one is refused.
- `_heartbeat`*: answers keepalives, emits `_metrics`, has a `_watch` over the handler's calls, and gives
  `_early_answers`* for a handler that is not ready yet.

What all of them speak of: `_declaration` (UDF, options), `_data` (points, batches), `_handlers` (what a user derives
from), `_groups` (state by group), `_life` (the state machine), `_counters` with its `_histogram`, and `_errors`.

For tests and diagnosis: `testing` with `_peer`, Kapacitor's end of a conversation; `_record`*, `_recording`, `_replay`*
and `_text` record conversations, replay them, and show them.
"""

from ._counters import Counters
from ._data import BATCH, STREAM, Batch, EdgeType, FieldValue, Point
from ._declaration import BOOL, DOUBLE, DURATION, INT, STRING, UDF, Metrics, Option, ValueType
from ._errors import DeclarationError, InitError, Rejected, SnapshotError, UDFError
from ._groups import Groups
from ._handlers import BatchHandler, BatchSink, Context, FieldsHandler, Handler, PointSink, RowsHandler, StreamHandler
from ._identity import identity
from ._limits import Limits
from ._loops import compiled
from ._point_head import PointHead
from ._process import run
from ._rows import FieldRows, Rows
from ._server import serve

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
    "FieldRows",
    "FieldValue",
    "FieldsHandler",
    "Groups",
    "Handler",
    "InitError",
    "Limits",
    "Metrics",
    "Option",
    "Point",
    "PointHead",
    "PointSink",
    "Rejected",
    "Rows",
    "RowsHandler",
    "SnapshotError",
    "StreamHandler",
    "UDFError",
    "ValueType",
    "__version__",
    "compiled",
    "identity",
    "run",
    "serve",
]
