"""Declarations: what a UDF is, which options it has, and where its handler comes from.

A declaration is checked when it is made, so that a mistake shows when the program starts and not when Kapacitor asks.
It may name its handler instead of holding it: Kapacitor waits for the answer to Info, so nothing heavy may be imported
before that. Values from a TICKscript are checked at Init, and all that is wrong with them is told at once.
"""

import importlib
import math
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, Any, Generic, Literal, TypeVar, overload

from ._data import Batch, EdgeType, Point
from ._errors import DeclarationError, InitError, check_number
from ._limits import LEAST_SECONDS, MOST_SECONDS, check_tick

if TYPE_CHECKING:
    from ._handlers import BatchHandler, BatchSink, Context, FieldsHandler, PointSink, RowsHandler, StreamHandler

_REQUIRED: Any = object()
# Names that a TICKscript can call as a method.
_OPTION_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_HANDLER_NAME = re.compile(r"[A-Za-z_][\w.]*:[A-Za-z_]\w*")


class ValueType(Enum):
    """The type of one argument of an option. The values are the protocol's numbers."""

    BOOL = 0
    INT = 1
    DOUBLE = 2
    STRING = 3
    DURATION = 4  # nanoseconds


BOOL = ValueType.BOOL
INT = ValueType.INT
DOUBLE = ValueType.DOUBLE
STRING = ValueType.STRING
DURATION = ValueType.DURATION

_EXAMPLES = {BOOL: "TRUE", INT: "10", DOUBLE: "1.5", STRING: "'text'", DURATION: "10s"}
_PYTHON = {BOOL: bool, INT: int, DOUBLE: float, STRING: str, DURATION: int}
_PYTHON_EXAMPLES = {BOOL: "True", INT: "10", DOUBLE: "1.5", STRING: "'text'", DURATION: "10**10 (nanoseconds)"}
_WORDS = {BOOL: "a boolean", INT: "an integer", DOUBLE: "a float", STRING: "a string", DURATION: "a duration"}


@dataclass(frozen=True, slots=True)
class Call:
    """One call of an option in the TICKscript, as Kapacitor tells it at Init.

    Attributes:
        name: the option.
        values: the type and the value of each argument.
    """

    name: str
    values: tuple[tuple[ValueType, Any], ...]


class Option:
    """An option of a UDF: a method that the TICKscript may call on it.

    Attributes:
        name: the method's name.
        types: the types of one call's arguments; Kapacitor insists on exactly these.
        default: the value without a call.
        repeat: whether it may be called several times; its value is then a list.
        help: what it is for, told where it is missing.
        check: called with each call's value; raises ValueError to refuse it.
    """

    def __init__(
        self,
        name: str,
        *types: ValueType,
        default: Any = _REQUIRED,
        repeat: bool = False,
        help: str = "",  # the field's own word
        check: Callable[[Any], object] | None = None,
    ) -> None:
        """Declare an option.

        Args:
            name: letters, digits and underscores.
            types: one or more of BOOL, INT, DOUBLE, STRING and DURATION.
            default: the value without a call, of the same types: a tuple for several types, a list for a repeated
                option; or None. Without a default, the TICKscript must call the option.
            repeat: whether it may be called several times.
            help: what it is for.
            check: called with each call's value, a tuple if there are several types; may raise ValueError.

        Raises:
            DeclarationError: A TICKscript could not call it, or its default is not a value of it.
        """
        if not _OPTION_NAME.fullmatch(name):
            raise DeclarationError(
                f"option {name!r}: a TICKscript cannot call it; use letters, digits and underscores, a letter first"
            )
        if not types:
            raise DeclarationError(f"option {name!r} has no types: name at least one, e.g. Option({name!r}, STRING)")
        for kind in types:
            if not isinstance(kind, ValueType):
                raise DeclarationError(
                    f"option {name!r}: {kind!r} is not a type; use BOOL, INT, DOUBLE, STRING or DURATION"
                )
        self.name = name
        self.types = types
        self.default = default
        self.repeat = repeat
        self.help = help
        self.check = check
        if default is not _REQUIRED and default is not None:
            self._check_default(default)

    def _check_default(self, default: Any) -> None:
        """Refuse a default that no call could give. Raises DeclarationError."""
        if self.repeat and not isinstance(default, list):
            raise DeclarationError(
                f"option {self.name!r}: the default of a repeated option is {_shown(default)}, expected a list"
            )
        for given in default if self.repeat else [default]:
            values = given if len(self.types) > 1 else (given,)
            if not isinstance(values, tuple) or len(values) != len(self.types):
                count = len(self.types)
                raise DeclarationError(
                    f"option {self.name!r}: the default is {_shown(given)}, expected a tuple of {count} values"
                )
            for value, kind in zip(values, self.types, strict=True):
                if type(value) is not _PYTHON[kind] or (isinstance(value, float) and not math.isfinite(value)):
                    raise DeclarationError(
                        f"option {self.name!r}: the default is {_shown(value)}, expected {_WORDS[kind]} ({kind.name}), "
                        f"e.g. {_PYTHON_EXAMPLES[kind]}"
                    )
            if self.check is not None:
                try:
                    self.check(given)
                except ValueError as error:
                    raise DeclarationError(f"option {self.name!r}: the default is refused: {error}") from error

    @property
    def required(self) -> bool:
        """Whether the TICKscript must call the option."""
        return self.default is _REQUIRED

    @property
    def usage(self) -> str:
        """An example of a call, e.g. `.range(1.5, 1.5)`."""
        return f".{self.name}({', '.join(_EXAMPLES[kind] for kind in self.types)})"

    def value(self, call: Call) -> Any:
        """Check one call.

        Args:
            call: what the TICKscript says.

        Returns:
            Its value; a tuple if there are several types.

        Raises:
            ValueError: Something else was expected, which the message names.
        """
        if len(call.values) != len(self.types):
            given = _counted(len(call.values), "argument")
            raise ValueError(f"{given} given, expected {len(self.types)}, as in {self.usage}")
        for (kind, value), expected in zip(call.values, self.types, strict=True):
            if kind is not expected:
                raise ValueError(
                    f"{_shown(value)} is {_WORDS[kind]} ({kind.name}), expected {_WORDS[expected]} ({expected.name}), "
                    f"as in {self.usage}"
                )
            if kind is DOUBLE and not math.isfinite(value):
                raise ValueError(f"{value} is not a finite number, expected one, as in {self.usage}")
        values = tuple(value for _, value in call.values)
        result = values if len(values) > 1 else values[0]
        if self.check is not None:
            self.check(result)
        return result


@dataclass(frozen=True, slots=True)
class Metrics:
    """A UDF emits its own numbers as one more point of its output, whether data arrive or not.

    Attributes:
        measurement: the name of these points.
        every: seconds from one point to the next.
    """

    measurement: str = "udf"
    every: float = 10.0

    def __post_init__(self) -> None:
        if not self.measurement or not isinstance(self.measurement, str):
            raise DeclarationError(f"metrics need a measurement, e.g. Metrics('udf'), not {self.measurement!r:.100}")
        check_number("metrics every", self.every, LEAST_SECONDS, MOST_SECONDS)


D = TypeVar("D", Point, Batch)


class UDF(Generic[D]):
    """The declaration of a user-defined function that emits D: points or batches.

    Attributes:
        wants: the kind of data that it takes, STREAM or BATCH.
        provides: the kind of data that it emits, STREAM or BATCH.
        handler: what makes a handler from a Context, or its name.
        options: its options by name.
        name: its name in messages and metrics.
        metrics: how it emits its own numbers, None if it does not.
    """

    # A type checker sees which handlers fit the edges, and what such a UDF emits. If the edges are not literals, it can
    # judge a handler's name only.
    @overload
    def __init__(
        self: "UDF[Point]",
        *,
        wants: Literal[EdgeType.STREAM],
        provides: Literal[EdgeType.STREAM],
        handler: "str | Callable[[Context], StreamHandler[PointSink] | FieldsHandler | RowsHandler]",
        options: Iterable[Option] = (),
        name: str = "udf",
        metrics: Metrics | None = None,
    ) -> None: ...

    @overload
    def __init__(
        self: "UDF[Batch]",
        *,
        wants: Literal[EdgeType.STREAM],
        provides: Literal[EdgeType.BATCH],
        handler: "str | Callable[[Context], StreamHandler[BatchSink]]",
        options: Iterable[Option] = (),
        name: str = "udf",
        metrics: Metrics | None = None,
    ) -> None: ...

    @overload
    def __init__(
        self: "UDF[Point]",
        *,
        wants: Literal[EdgeType.BATCH],
        provides: Literal[EdgeType.STREAM],
        handler: "str | Callable[[Context], BatchHandler[PointSink]]",
        options: Iterable[Option] = (),
        name: str = "udf",
        metrics: Metrics | None = None,
    ) -> None: ...

    @overload
    def __init__(
        self: "UDF[Batch]",
        *,
        wants: Literal[EdgeType.BATCH],
        provides: Literal[EdgeType.BATCH],
        handler: "str | Callable[[Context], BatchHandler[BatchSink]]",
        options: Iterable[Option] = (),
        name: str = "udf",
        metrics: Metrics | None = None,
    ) -> None: ...

    @overload
    def __init__(
        self: "UDF[Any]",
        *,
        wants: EdgeType,
        provides: EdgeType,
        handler: str,
        options: Iterable[Option] = (),
        name: str = "udf",
        metrics: Metrics | None = None,
    ) -> None: ...

    def __init__(
        self,
        *,
        wants: EdgeType,
        provides: EdgeType,
        handler: str | Callable[..., Any],
        options: Iterable[Option] = (),
        name: str = "udf",
        metrics: Metrics | None = None,
    ) -> None:
        """Declare a UDF.

        Args:
            wants: the kind of data that it takes.
            provides: the kind of data that it emits.
            handler: a class or any callable that makes a handler from a Context, or its name "package.module:Class",
                which is imported only when a task needs it.
            options: what the TICKscript may call.
            name: its name in messages and metrics.
            metrics: emit the UDF's own numbers in this way.

        Raises:
            DeclarationError: Such a UDF cannot work.
        """
        for what, edge in (("wants", wants), ("provides", provides)):
            if not isinstance(edge, EdgeType):
                raise DeclarationError(f"{what} is {edge!r}; use STREAM or BATCH")
        if isinstance(handler, str):
            if not _HANDLER_NAME.fullmatch(handler):
                raise DeclarationError(f"handler is {handler!r}; name it like 'package.module:Class'")
        elif not callable(handler):
            raise DeclarationError(f"handler is {handler!r}; give a class, or its name like 'package.module:Class'")
        else:
            check_tick(getattr(handler, "tick_seconds", None))
        self.wants = wants
        self.provides = provides
        self.handler = handler
        self.options: Mapping[str, Option] = _by_name(options)
        self.name = name
        self.metrics = metrics

    def load(self) -> Callable[..., Any]:
        """Import the handler if the declaration only names it.

        Returns:
            What makes a handler from a Context.

        Raises:
            InitError: It cannot be imported.
        """
        if not isinstance(self.handler, str):
            return self.handler
        module, _, attribute = self.handler.partition(":")
        try:
            factory = getattr(importlib.import_module(module), attribute)
        except Exception as error:
            raise InitError(f"cannot import the handler {self.handler}: {type(error).__name__}: {error}") from error
        if not callable(factory):
            raise InitError(f"the handler {self.handler} is {factory!r}, expected a class or a function")
        return factory  # type: ignore[no-any-return]

    def values(self, calls: Sequence[Call]) -> dict[str, Any]:
        """Check all calls of a TICKscript.

        Args:
            calls: what the TICKscript says.

        Returns:
            The value of every declared option by name, the default where there is no call.

        Raises:
            InitError: Some calls are wrong or missing, all of which the message names.
        """
        problems: list[str] = []
        given: dict[str, list[Any]] = {}
        for call in calls:
            option = self.options.get(call.name)
            if option is None:
                known = ", ".join(self.options) or "none"
                problems.append(f"option {call.name!r} is unknown, this UDF has: {known}")
                continue
            try:
                given.setdefault(call.name, []).append(option.value(call))
            except ValueError as error:
                given.setdefault(call.name, [])
                problems.append(f"option {call.name!r}: {error}")
        values: dict[str, Any] = {}
        for name, option in self.options.items():
            got = given.get(name)
            if got is None:
                if option.required:
                    problems.append(f"option {name!r} is missing, call {option.usage}{_because(option.help)}")
                else:
                    # A handler may change its list.
                    values[name] = list(option.default) if isinstance(option.default, list) else option.default
            elif option.repeat:
                values[name] = got
            elif len(got) > 1:
                problems.append(
                    f"option {name!r} is called {len(got)} times ({', '.join(map(_shown, got))}), expected once"
                )
            elif got:
                values[name] = got[0]
        if problems:
            raise InitError("; ".join(problems))
        return values


def find(name: str) -> UDF[Any]:
    """Import the UDF that a module declares.

    Args:
        name: "package.module" for its variable `udf`, or "package.module:variable".

    Returns:
        The declaration.

    Raises:
        DeclarationError: The module cannot be imported, or there is no UDF in it.
    """
    module, _, variable = name.partition(":")
    try:
        declared = getattr(importlib.import_module(module), variable or "udf", None)
    except Exception as error:
        raise DeclarationError(f"cannot import the module {module}: {type(error).__name__}: {error}") from error
    if not isinstance(declared, UDF):
        what = "has no variable" if declared is None else f"has {declared!r:.100} as"
        raise DeclarationError(f"the module {module} {what} {variable or 'udf'!r}, expected a UDF: udf = UDF(...)")
    return declared


def _by_name(options: Iterable[Option]) -> dict[str, Option]:
    by_name: dict[str, Option] = {}
    for option in options:
        if option.name in by_name:
            raise DeclarationError(f"option {option.name!r} is declared twice")
        by_name[option.name] = option
    return by_name


def _because(text: str) -> str:
    return f" ({text})" if text else ""


def _counted(number: int, what: str) -> str:
    return f"{number} {what}" if number == 1 else f"{number} {what}s"


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 100 else text[:97] + "..."
