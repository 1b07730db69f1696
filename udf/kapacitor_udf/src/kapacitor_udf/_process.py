"""Process mode: Kapacitor starts this program and talks over its stdin and stdout.

Two things are true before any code of the user's is called. The frame stream is a private duplicate of descriptor 1,
and descriptor 1 is stderr, so that no print() and no library can write into the stream. Descriptor 0 is /dev/null, so
that nothing can read from it. Child processes have none of the descriptors that Kapacitor waits for at the end:
duplicates are not inherited, a fork closes them, and the stderr that children inherit is a pipe to this process
(`_stderr`).

A SIGTERM ends the input: what has come is handled, as at any end. The signal itself is noticed by the reader's thread,
since the main thread may be stuck in the handler.

The process ends by os._exit: neither a handler's thread nor an atexit function can keep Kapacitor waiting, which holds
its lock on all tasks while it stops one.
"""

import contextlib
import faulthandler
import fcntl
import io
import os
import signal
import sys
import traceback
from types import FrameType
from typing import Any, NoReturn

from ._conversation import Conversation
from ._counters import Counters
from ._data import BATCH, STREAM
from ._declaration import UDF
from ._limits import Limits
from ._log import Log
from ._stderr import LineWriter, Relay, replace_standard_streams

# Bytes. The results of some thousand windows fit in.
_PIPE_SIZE = 2**20


def run(udf: UDF[Any], *, limits: Limits | None = None) -> NoReturn:
    """Be a UDF until Kapacitor closes the input. Does not return.

    Exit codes: 0 after the end of input or a SIGTERM; 1 if Init failed or the stream broke; 2 if a person started it on
    a terminal; 3 if a call of the handler has hung.

    Args:
        udf: the declaration.
        limits: bounds of the conversation; the defaults of `Limits` if None.
    """
    if os.isatty(0):
        sys.stderr.write(_usage(udf))
        sys.exit(2)
    source, sink = claim_standard_descriptors()
    converse(udf, source, sink, limits or Limits())


def claim_standard_descriptors() -> tuple[int, int]:
    """Take standard input and output for the conversation alone.

    Returns:
        The descriptors to read from and to write to; nothing else can use them from here on.
    """
    source, sink = os.dup(0), os.dup(1)
    # The handler goes on while Kapacitor reads. Only Linux can do this, and it may be more than this user may have.
    with contextlib.suppress(OSError, AttributeError):
        fcntl.fcntl(sink, fcntl.F_SETPIPE_SZ, _PIPE_SIZE)
    divert_standard_descriptors()
    # An interrupt on kapacitord's terminal reaches this process, too; this process obeys the end of input that follows.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    return source, sink


def divert_standard_descriptors() -> None:
    """Let descriptor 0 give nothing, and let descriptor 1 be stderr."""
    null = os.open(os.devnull, os.O_RDONLY)
    os.dup2(null, 0)
    os.close(null)
    os.dup2(2, 1)
    # A module that prints while it is imported prints to a pipe, where Python would keep the lines back for ever.
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(line_buffering=True)


def converse(udf: UDF[Any], source: int, sink: int, limits: Limits, *, prefix: str = "") -> NoReturn:
    """Talk to Kapacitor until the end, which is the end of this process, too.

    Args:
        udf: the declaration.
        source: the descriptor to read from.
        sink: the descriptor to write to; it may be the same.
        limits: bounds of the conversation.
        prefix: what lines on stderr begin with.
    """
    counters = Counters()
    stderr = os.dup(2)
    lines = LineWriter(stderr, counters, prefix)
    relay = Relay(lines)
    replace_standard_streams(lines, 2)
    faulthandler.enable(stderr)  # a process that crashes takes the relay with it

    signals, noticed = os.pipe()
    os.set_blocking(noticed, False)
    signal.set_wakeup_fd(noticed, warn_on_full_buffer=False)
    signal.signal(signal.SIGTERM, _leave_to_reader)

    def let_go() -> None:
        conversation.forked()
        if signal.getsignal(signal.SIGTERM) is _leave_to_reader:
            signal.signal(signal.SIGTERM, signal.SIG_DFL)
        with contextlib.suppress(ValueError):  # the handler's own may be set
            signal.set_wakeup_fd(-1)
        os.dup2(2, stderr, inheritable=False)
        for descriptor in {source, sink, signals, noticed}:
            os.close(descriptor)

    def end(code: int) -> NoReturn:
        relay.finish()
        os._exit(code)

    conversation = Conversation(
        udf,
        input=source,
        output=sink,
        signals=signals,
        limits=limits,
        counters=counters,
        log=Log(lines.write),
        on_end=end,
    )
    os.register_at_fork(after_in_child=let_go)
    try:
        code = conversation.run()
    except BaseException:  # a mistake of this library; it must not linger, as Kapacitor waits for it
        traceback.print_exc()
        code = 1
    end(code)


def _leave_to_reader(_number: int, _frame: FrameType | None) -> None:
    """Do nothing where a signal is handled: Python has written it to the reader's pipe."""


_EDGES = {STREAM: "a stream", BATCH: "batches"}


def _usage(udf: UDF[Any]) -> str:
    lines = [
        f"{udf.name} is a Kapacitor UDF: Kapacitor starts it, a person does not. Name it in kapacitor.conf, e.g.\n",
        "  [udf.functions.NAME]\n",
        f'    prog = "{sys.executable}"\n',
        f'    args = ["{sys.argv[0]}"]\n',
        '    timeout = "10s"\n',
    ]
    return "".join(lines) + describe(udf)


def describe(udf: UDF[Any]) -> str:
    """Describe a UDF for people.

    Args:
        udf: the declaration.

    Returns:
        Lines with its edges and options.
    """
    lines = [f"It wants {_EDGES[udf.wants]} and provides {_EDGES[udf.provides]}. Options:\n"]
    for option in udf.options.values():
        times = " (several times)" if option.repeat else ""
        default = "required" if option.required else f"default {option.default!r}"
        lines.append(f"  {option.usage}{times}  {option.help} [{default}]\n")
    return "".join(lines)
