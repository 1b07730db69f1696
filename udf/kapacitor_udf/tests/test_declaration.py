from typing import Any

import pytest

from kapacitor_udf import (
    BATCH,
    BOOL,
    DOUBLE,
    DURATION,
    INT,
    STREAM,
    STRING,
    UDF,
    BatchHandler,
    DeclarationError,
    InitError,
    Metrics,
    Option,
    PointSink,
    StreamHandler,
    ValueType,
)  # fmt: skip
from kapacitor_udf._declaration import Call


def udf(*options: Option) -> UDF[Any]:
    return UDF(wants=STREAM, provides=STREAM, handler=StreamHandler, options=options)


def call(name: str, *values: tuple[ValueType, Any]) -> Call:
    return Call(name, values)


def ticking(seconds: Any) -> type[StreamHandler[PointSink]]:
    class Ticking(StreamHandler[PointSink]):
        tick_seconds = seconds

    return Ticking


def refuse(value: Any) -> None:
    raise ValueError(f"{value} is not to my liking")


def test_values_of_all_types_and_forms() -> None:
    declared = udf(
        Option("field", STRING, repeat=True),
        Option("size", INT, default=10),
        Option("every", DURATION, default=1),
        Option("range", DOUBLE, DOUBLE, default=(0.0, 1.0)),
        Option("on", BOOL, default=False),
        Option("tags", STRING, repeat=True, default=[]),
        Option("pairs", STRING, INT, repeat=True, default=[]),
    )
    assert declared.values(
        [
            call("field", (STRING, "a")),
            call("every", (DURATION, 10**10)),
            call("range", (DOUBLE, 0.5), (DOUBLE, 2.0)),
            call("field", (STRING, "b")),
            call("on", (BOOL, True)),
            call("pairs", (STRING, "x"), (INT, 1)),
        ]
    ) == {
        "field": ["a", "b"],
        "size": 10,
        "every": 10**10,
        "range": (0.5, 2.0),
        "on": True,
        "tags": [],
        "pairs": [("x", 1)],
    }


@pytest.mark.parametrize(
    "option, calls, says",
    [
        (Option("size", INT, help="how many"), [], "option 'size' is missing, call .size(10) (how many)"),
        (Option("size", INT), [call("size", (DOUBLE, 1.5))],
         "option 'size': 1.5 is a float (DOUBLE), expected an integer (INT), as in .size(10)"),
        (Option("size", INT), [call("size", (BOOL, True))], "True is a boolean (BOOL), expected an integer (INT)"),
        (Option("every", DURATION), [call("every", (STRING, "10s"))],
         "'10s' is a string (STRING), expected a duration (DURATION), as in .every(10s)"),
        (Option("size", INT), [call("size")], "0 arguments given, expected 1"),
        (Option("size", INT, INT), [call("size", (INT, 1))], "1 argument given, expected 2, as in .size(10, 10)"),
        (Option("size", INT), [call("size", (INT, 1)), call("size", (INT, 2))],
         "option 'size' is called 2 times (1, 2), expected once"),
        (Option("size", INT, default=1), [call("siez", (INT, 1))], "option 'siez' is unknown, this UDF has: size"),
        (Option("scale", DOUBLE), [call("scale", (DOUBLE, float("nan")))], "nan is not a finite number"),
        (Option("size", INT, check=refuse), [call("size", (INT, 3))], "option 'size': 3 is not to my liking"),
    ],
)  # fmt: skip
def test_a_wrong_call_is_named_with_value_and_expectation(option: Option, calls: list[Call], says: str) -> None:
    with pytest.raises(InitError) as caught:
        udf(option).values(calls)
    assert says in str(caught.value)


def test_all_problems_are_told_at_once_and_none_twice() -> None:
    declared = udf(Option("a", INT), Option("b", INT), Option("c", INT))
    with pytest.raises(InitError) as caught:
        declared.values([call("a", (STRING, "x")), call("d")])
    assert str(caught.value).count(";") == 3
    for name in "abcd":
        assert str(caught.value).count(f"option {name!r}") == 1


def test_a_huge_value_is_shown_shortened() -> None:
    with pytest.raises(InitError) as caught:
        udf(Option("a", INT)).values([call("a", (STRING, "x" * 10**6))])
    assert len(str(caught.value)) < 300


@pytest.mark.parametrize(
    "make, says",
    [
        (lambda: Option("a b", INT), "option 'a b'"),
        (lambda: Option("1a", INT), "option '1a'"),
        (lambda: Option("a"), "has no types"),
        (lambda: Option("a", int), "<class 'int'> is not a type"),  # type: ignore[arg-type]
        (lambda: udf(Option("a", INT), Option("a", INT)), "'a' is declared twice"),
        (
            lambda: Option("n", INT, default="ten"),
            "option 'n': the default is 'ten', expected an integer (INT), e.g. 10",
        ),
        (lambda: Option("n", INT, default=True), "the default is True, expected an integer"),
        (lambda: Option("n", DOUBLE, default=1), "the default is 1, expected a float (DOUBLE), e.g. 1.5"),
        (lambda: Option("n", DOUBLE, default=float("inf")), "the default is inf, expected a float"),
        (lambda: Option("n", INT, repeat=True, default=1), "the default of a repeated option is 1, expected a list"),
        (lambda: Option("n", INT, repeat=True, default=["a"]), "the default is 'a', expected an integer"),
        (lambda: Option("n", INT, INT, default=1), "the default is 1, expected a tuple of 2 values"),
        (lambda: Option("n", INT, INT, default=(1, "b")), "the default is 'b', expected an integer"),
        (lambda: Option("n", INT, default=3, check=refuse), "the default is refused: 3 is not to my liking"),
        (lambda: Metrics(every=float("nan")), "metrics every is nan, expected a number from 0.001 to 86400.0"),
        (lambda: Metrics(every="1"), "metrics every is '1'"),  # type: ignore[arg-type]
        (lambda: UDF(wants=STREAM, provides=STREAM, handler=ticking(0)), "tick_seconds is 0, expected a number"),
        (lambda: UDF(wants=STREAM, provides=STREAM, handler=ticking("1")), "tick_seconds is '1'"),
        (lambda: UDF(wants="stream", provides=BATCH, handler=StreamHandler), "wants is 'stream'"),  # type: ignore[call-overload]
        (lambda: UDF(wants=BATCH, provides=1, handler=BatchHandler), "provides is 1"),  # type: ignore[call-overload]
        (lambda: UDF(wants=BATCH, provides=BATCH, handler="a.b.C"), "handler is 'a.b.C'; name it like"),
        (lambda: UDF(wants=BATCH, provides=BATCH, handler=3), "handler is 3"),  # type: ignore[call-overload]
    ],
)
def test_a_declaration_that_cannot_work_is_refused(make: Any, says: str) -> None:
    with pytest.raises(DeclarationError) as caught:
        make()
    assert says in str(caught.value)


@pytest.mark.parametrize(
    "name, says",
    [
        ("no_such_module_anywhere:X", "ModuleNotFoundError"),
        ("kapacitor_udf:Nothing", "AttributeError"),
        ("kapacitor_udf:__doc__", "expected a class or a function"),
    ],
)
def test_a_handler_that_cannot_be_loaded_is_named(name: str, says: str) -> None:
    with pytest.raises(InitError, match=says) as caught:
        UDF(wants=STREAM, provides=STREAM, handler=name).load()
    assert name in str(caught.value)


def test_a_handler_is_loaded_by_its_name() -> None:
    assert UDF(wants=STREAM, provides=STREAM, handler="collections:OrderedDict").load().__name__ == "OrderedDict"


def test_a_default_is_a_list_of_its_own_in_each_handler() -> None:
    declared = udf(Option("tags", STRING, repeat=True, default=["a"]), Option("none", INT, default=None))
    declared.values([])["tags"].append("b")
    assert declared.values([]) == {"tags": ["a"], "none": None}
