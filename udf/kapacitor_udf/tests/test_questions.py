"""Questions through the harness that users have: Init, snapshots, and what goes wrong with them."""

from collections.abc import Callable
from typing import Any

import pytest

from edge_handlers import Halves, Picky, picky, point
from kapacitor_udf import (
    INT,
    STREAM,
    STRING,
    UDF,
    Context,
    InitError,
    Option,
)
from kapacitor_udf import _peer as peer
from kapacitor_udf.testing import Harness

# Init


def test_init_makes_the_handler_from_validated_options() -> None:
    made: list[Context] = []

    def factory(context: Context) -> Picky:
        made.append(context)
        return Picky(context)

    udf = UDF(
        wants=STREAM, provides=STREAM, handler=factory,
        options=[Option("field", STRING, repeat=True), Option("range", INT, INT), Option("size", INT, default=5)],
    )  # fmt: skip
    with Harness(udf, {"field": ["a", "b"], "range": (1, 2)}, task="t1", node="udf3"):
        (context,) = made
        assert context.options == {"field": ["a", "b"], "range": (1, 2), "size": 5}
        assert (context.task, context.node, context.udf) == ("t1", "udf3", udf)


def ticking(context: Context) -> Picky:
    handler = Picky(context)
    handler.tick_seconds = "1"  # type: ignore[assignment]
    return handler


def raising(error: BaseException) -> Callable[[Context], Any]:
    def factory(context: Context) -> Any:
        raise error

    return factory


@pytest.mark.parametrize(
    "handler, says",
    [
        (ticking, "picky: tick_seconds is '1', expected a number from 0.001 to 86400.0"),
        (raising(ValueError("the model is not there, train it")), "picky: the model is not there, train it"),
        (raising(KeyError("x")), "picky: KeyError: 'x' (at test_questions.py:"),
        (raising(SystemExit("bye")), "picky: SystemExit: bye"),
        (lambda context: object(), "picky: the handler is a object, which is not a StreamHandler"),
        (Halves, "picky: the handler is a Halves, which is not a StreamHandler; this UDF wants points"),
        ("no_such_module_anywhere:X", "picky: cannot import the handler no_such_module_anywhere:X"),
    ],
)
def test_what_goes_wrong_in_init_is_told(handler: Any, says: str) -> None:
    with pytest.raises(InitError) as caught:
        Harness(UDF(wants=STREAM, provides=STREAM, handler=handler, name="picky"))
    assert str(caught.value).startswith(says)


def test_wrong_options_fail_init() -> None:
    with pytest.raises(InitError, match="option 'size': 'x' is a string"):
        Harness(picky(options=[Option("size", INT)]), {"size": "x"})
    with pytest.raises(InitError, match="option 'size' is missing"):
        Harness(picky(options=[Option("size", INT)]))


# Snapshots


def test_a_snapshot_carries_the_state_over() -> None:
    with Harness(picky()) as harness:
        harness.feed([point(), point()])
        saved = harness.snapshot()
    with Harness(picky(), restore=saved) as harness:
        assert harness.handler.seen == 2
        assert harness.counters.restores == 1


def test_a_snapshot_of_other_options_or_another_layout_is_refused() -> None:
    option = Option("field", STRING)
    with Harness(picky(options=[option]), {"field": "a"}) as harness:
        harness.feed([point(), point()])
        saved = harness.snapshot()
    with Harness(picky(options=[option]), {"field": "b"}, restore=saved) as harness:
        assert harness.handler.seen == 0
        assert harness.counters.restores_refused == 1
        assert harness.log == ["the snapshot is not restored, starting cold: it was made with other options"]

    class Newer(Picky):
        snapshot_version = 2

    newer = UDF(wants=STREAM, provides=STREAM, handler=Newer, name="picky", options=[option])
    with Harness(newer, {"field": "a"}, restore=saved) as harness:
        assert harness.handler.seen == 0
        assert "layout version 1, this handler reads version 2" in harness.log[0]


def test_a_handler_may_say_itself_what_a_snapshot_depends_on() -> None:
    class Keyed(Picky):
        def snapshot_key(self) -> str:
            return str(self.context.options["model"]).split("-")[0]

    udf = UDF(wants=STREAM, provides=STREAM, handler=Keyed, options=[Option("model", STRING)])
    with Harness(udf, {"model": "a-1"}) as harness:
        harness.point(point())
        saved = harness.snapshot()
    with Harness(udf, {"model": "a-2"}, restore=saved) as harness:
        assert harness.handler.seen == 1
    with Harness(udf, {"model": "b-1"}, restore=saved) as harness:
        assert harness.handler.seen == 0


def test_a_restore_that_raises_leaves_a_new_handler() -> None:
    class Letters(Picky):
        def snapshot(self) -> bytes:
            return b"letters"

    def udf(handler: Any) -> UDF[Any]:
        return UDF(wants=STREAM, provides=STREAM, handler=handler, name="same")

    with Harness(udf(Letters)) as harness:
        saved = harness.snapshot()
    with Harness(udf(Picky), restore=saved, strict=False) as harness:
        assert harness.handler.seen == 0
        assert harness.counters.restores_refused == 1
        assert len(harness.point(point())) == 1


@pytest.mark.parametrize("garbage", [b"x", b"kudf\x00\x01" + bytes(100)])
def test_garbage_is_answered_with_success(garbage: bytes) -> None:
    with Harness(picky(), restore=garbage) as harness:
        assert harness.counters.restores_refused == 1
        response = harness._ask(peer.encode_restore(garbage))
        assert response.restore.success
        assert response.restore.error == ""


def test_an_empty_restore_is_none() -> None:
    with Harness(picky(), restore=b"") as harness:
        assert (harness.counters.restores, harness.counters.restores_refused) == (0, 0)


def test_a_snapshot_that_fails_is_answered_empty() -> None:
    with Harness(picky(), strict=False) as harness:
        harness.feed([point() for _ in range(13)])
        assert harness.snapshot() == b""
        assert "snapshot() raised RuntimeError: no luck" in harness.log[0]


def test_a_second_init_changes_nothing() -> None:
    with Harness(picky()) as harness:
        harness.point(point())
        assert harness._talk(peer.encode_init([], "t", "n")) == []
        assert harness.handler.seen == 1
        assert harness.counters.unexpected == 1
