"""What a UDF is: its edges, its options, and where its handler comes from. Declared once, checked when declared."""

import importlib
import math
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any

from ._data import EdgeType
from ._errors import DeclarationError, InitError

_REQUIRED: Any = object()
# What a TICKscript can call as a method.
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
_WORDS = {BOOL: "a boolean", INT: "an integer", DOUBLE: "a float", STRING: "a string", DURATION: "a duration"}


@dataclass(frozen=True, slots=True)
class Call:
    """One call of an option in the TICKscript, as Kapacitor tells it at Init."""

    name: str
    values: tuple[tuple[ValueType, Any], ...]


class Option:
    """An option of a UDF: what the TICKscript may call on it.

    `types` are the arguments of one call: Kapacitor insists on exactly these. Without a `default` the option must be
    called. With `repeat` it may be called several times, and its value is a list. `check` is called with each call's
    value (a tuple, if there are several types) and may raise ValueError to refuse it.
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
        if not _OPTION_NAME.fullmatch(name):
            raise DeclarationError(
                f"option {name!r}: a TICKscript cannot call it; use letters, digits and underscores, a letter first"
            )
        if not types:
            raise DeclarationError(f"option {name!r} has no types: name at least one, e.g. Option({name!r}, STRING)")
        for kind in types:
            if not isinstance(kind, ValueType):
                raise DeclarationError(
                    f"option {name!r}: {kind!r} is no type; use BOOL, INT, DOUBLE, STRING or DURATION"
                )
        self.name = name
        self.types = types
        self.default = default
        self.repeat = repeat
        self.help = help
        self.check = check

    @property
    def required(self) -> bool:
        """Whether the TICKscript must call it."""
        return self.default is _REQUIRED

    @property
    def usage(self) -> str:
        """How it is called, e.g. `.range(1.5, 1.5)`."""
        return f".{self.name}({', '.join(_EXAMPLES[kind] for kind in self.types)})"

    def value(self, call: Call) -> Any:
        """The value of one call. Raises ValueError naming what was given and what was expected."""
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
    """That a UDF emits its own numbers, as a point of `measurement`, each `every` seconds, data or not."""

    measurement: str = "udf"
    every: float = 10.0

    def __post_init__(self) -> None:
        if not self.measurement:
            raise DeclarationError("metrics need a measurement, e.g. Metrics('udf')")
        if not self.every > 0:
            raise DeclarationError(f"metrics every {self.every} s: expected more than 0")


class UDF:
    """A user-defined function.

    `handler` is a class, or any callable, that makes a handler from a Context; or its name, "package.module:Class",
    which is imported only when a task needs it: Info must be answered before anything heavy is imported. `name` is used
    in messages. With `metrics`, the UDF emits its own numbers among its results.

    Raises DeclarationError if this cannot work.
    """

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
        for what, edge in (("wants", wants), ("provides", provides)):
            if not isinstance(edge, EdgeType):
                raise DeclarationError(f"{what} is {edge!r}; use STREAM or BATCH")
        if isinstance(handler, str):
            if not _HANDLER_NAME.fullmatch(handler):
                raise DeclarationError(f"handler is {handler!r}; name it like 'package.module:Class'")
        elif not callable(handler):
            raise DeclarationError(f"handler is {handler!r}; give a class, or its name like 'package.module:Class'")
        self.wants = wants
        self.provides = provides
        self.handler = handler
        self.options: Mapping[str, Option] = _by_name(options)
        self.name = name
        self.metrics = metrics

    def load(self) -> Callable[..., Any]:
        """The handler's factory, imported if need be. Raises InitError that says what could not be imported."""
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
        """The value of every declared option. Raises InitError that names everything wrong with `calls`."""
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
                    values[name] = option.default
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


def find(name: str) -> UDF:
    """The UDF in a module: "package.module" for its variable `udf`, or "package.module:variable".

    Raises DeclarationError that says why there is none.
    """
    module, _, variable = name.partition(":")
    try:
        found = getattr(importlib.import_module(module), variable or "udf", None)
    except Exception as error:
        raise DeclarationError(f"cannot import the module {module}: {type(error).__name__}: {error}") from error
    if not isinstance(found, UDF):
        what = "has no variable" if found is None else f"has {found!r:.100} as"
        raise DeclarationError(f"the module {module} {what} {variable or 'udf'!r}, expected a UDF: udf = UDF(...)")
    return found


def _by_name(options: Iterable[Option]) -> dict[str, Option]:
    found: dict[str, Option] = {}
    for option in options:
        if option.name in found:
            raise DeclarationError(f"option {option.name!r} is declared twice")
        found[option.name] = option
    return found


def _because(text: str) -> str:
    return f" ({text})" if text else ""


def _counted(number: int, what: str) -> str:
    return f"{number} {what}" if number == 1 else f"{number} {what}s"


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 100 else text[:97] + "..."
