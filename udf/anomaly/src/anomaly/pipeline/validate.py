"""From what people wrote to pipelines, or to messages that say what to change."""

import json
import math
import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from anomaly.pipeline.checks import check
from anomaly.pipeline.duration import DurationError, parse_duration
from anomaly.pipeline.hints import hint
from anomaly.pipeline.schema import load_schema
from anomaly.pipeline.specification import Pipeline, build

if TYPE_CHECKING:
    from jsonschema.exceptions import ValidationError

_TYPES = {
    "string": "text",
    "integer": "an integer",
    "number": "a number",
    "boolean": "true or false",
    "array": "a list",
    "object": "a mapping",
    "null": "null",
}


# A pipeline's own keys nest half as deeply.
_MOST_DEPTH = 16
_MOST_VALUES = 100_000


class SpecError(ValueError):
    """A specification that is not valid.

    Attributes:
        problems: everything that is wrong, one sentence each.
    """

    def __init__(self, problems: Sequence[str]) -> None:
        # Half a surrogate pair, which JSON can escape, cannot be printed.
        self.problems = [problem.encode(errors="backslashreplace").decode() for problem in problems]
        super().__init__("\n".join(self.problems))


def normalize(pipelines: Any) -> list[Pipeline]:
    """Check pipelines and fill in all defaults.

    Args:
        pipelines: the list as people wrote it.

    Returns:
        The pipelines in the order given, disabled ones too.

    Raises:
        SpecError: something is wrong; it has every problem of every pipeline.
    """
    if not isinstance(pipelines, Sequence) or isinstance(pipelines, (str, bytes)):
        raise SpecError(
            [f"pipelines: {_show(pipelines)} is not a list: write one `- name: ...` entry for each pipeline"]
        )
    problems: list[str] = []
    valid: list[Pipeline] = []
    seen: dict[str, int] = {}
    validator = _validator()
    for index, mapping in enumerate(pipelines):
        place = _place(mapping, index)
        if not isinstance(mapping, Mapping):
            problems.append(f"{place}: {_show(mapping)} is not a mapping: write `name: ...` and the other keys")
            continue
        # What nests for ever cannot be looked at any further.
        if not (messages := list(_too_large(mapping))):
            # jsonschema reports a list of missing keys once for each of them.
            messages = [*_schema_problems(mapping, validator), *_unusable(mapping)]
        sentences = [f"{place}: {message}" for message in dict.fromkeys(messages)]
        if not sentences:
            pipeline = build(mapping)
            sentences = [f"{place}: {key}: {_show(value)} {message}" for key, value, message in check(pipeline)]
            if not sentences:
                valid.append(pipeline)
        problems += sentences
        name = mapping.get("name")
        # Names become directories: they must differ where a file system ignores case, too.
        if isinstance(name, str):
            if name.casefold() in seen:
                problems.append(
                    f"{place}: name: {_show(name)} is already the name of pipelines[{seen[name.casefold()]}]: "
                    "choose another"
                )
            seen.setdefault(name.casefold(), index)
    if problems:
        raise SpecError(problems)
    return valid


def parse(text: str) -> Pipeline:
    """Return the pipeline in a JSON text.

    Args:
        text: a specification, as `canonical_json` writes it and the UDF gets it.

    Raises:
        SpecError: the text is not JSON, or the specification is not valid, or has patterns that are not resolved.
    """
    try:
        mapping = json.loads(text)
    except ValueError as error:
        message = f"{_show(text)} is not JSON ({error}): render it with canonical_json"
        raise SpecError([message]) from None
    (pipeline,) = normalize([mapping])
    if pipeline.patterns:
        raise SpecError([f"pipeline {pipeline.name}: its patterns are not resolved: deploy it by site.yml"])
    return pipeline


def _place(mapping: Any, index: int) -> str:
    name = mapping.get("name") if isinstance(mapping, Mapping) else None
    return f"pipelines[{index}]" + (f" {json.dumps(name, ensure_ascii=False)}" if isinstance(name, str) else "")


def _show(value: object) -> str:
    try:
        text = json.dumps(value, ensure_ascii=False, default=str)
    except (TypeError, ValueError):
        text = repr(value)
    return text if len(text) <= 120 else text[:117] + "..."


def _validator() -> Any:
    """Return the schema's validator, which takes Ansible's and Python's types, and durations that can be written."""
    from jsonschema import Draft202012Validator, FormatChecker
    from jsonschema.exceptions import ValidationError
    from jsonschema.validators import extend

    def pattern(_: Any, pattern: str, instance: Any, __: Any) -> Iterator[ValidationError]:
        # Python's `$` would let a line break at the end pass.
        if isinstance(instance, str) and not re.search(re.sub(r"\$$", r"\\Z", pattern), instance):
            yield ValidationError("does not match")

    formats = FormatChecker(formats=())
    formats.checks("influxql-duration", raises=ValueError)(_is_duration)
    # Ansible hands over its own subclasses of dict, list and str; tuples are lists to Python's callers.
    checker = Draft202012Validator.TYPE_CHECKER.redefine_many(
        {
            "array": lambda _, value: isinstance(value, Sequence) and not isinstance(value, (str, bytes)),
            "object": lambda _, value: isinstance(value, Mapping),
        }
    )
    extended = extend(Draft202012Validator, {"pattern": pattern}, type_checker=checker)  # type: ignore[no-untyped-call]
    return extended(load_schema(), format_checker=formats)


def _is_duration(value: object) -> bool:
    """Return true. Raises ValueError for a duration that is too long, or that TICKscript cannot have."""
    # Another text is refused by the pattern, or is an RFC 3339 time.
    if isinstance(value, str) and re.fullmatch(r"([0-9]+[a-zµ]+)+", value):
        try:
            nanoseconds = parse_duration(value)
        except DurationError:
            raise ValueError("is longer than 292 years: write a shorter one, such as 1d") from None
        if nanoseconds % 1_000:
            raise ValueError("is not a multiple of a microsecond: write a longer one, such as 10s")
    return True


def _schema_problems(mapping: Mapping[str, Any], validator: Any) -> Iterator[str]:
    errors = sorted(
        validator.iter_errors(mapping),
        key=lambda error: ([str(part) for part in error.absolute_path], str(error.validator)),
    )
    for error in errors:
        yield from _explain(error)


def _too_large(mapping: Mapping[str, Any]) -> Iterator[str]:
    """Yield the keys that nest more deeply, or hold more, than those of a pipeline do: YAML's anchors can do both."""
    for key, value in mapping.items():
        waiting, count = [(value, 0)], 0
        while waiting:
            inner, depth = waiting.pop()
            count += 1
            if depth > _MOST_DEPTH or count > _MOST_VALUES:
                what = "nests too deeply" if depth > _MOST_DEPTH else f"holds more than {_MOST_VALUES:,} values"
                yield f"{key}: {what}: write it as docs/pipelines.md does"
                break
            if isinstance(inner, Mapping):
                waiting += [(each, depth + 1) for each in inner.values()]
            elif isinstance(inner, Sequence) and not isinstance(inner, (str, bytes)):
                waiting += [(each, depth + 1) for each in inner]


def _unusable(value: Any, key: str = "") -> Iterator[str]:
    """Yield what is wrong with values that pass the schema's types, bounds and patterns, or none of them.

    These are YAML's `.nan` and `.inf`, integers beyond any number of the detectors, and half a surrogate pair.
    """
    if isinstance(value, Mapping):
        for name, inner in value.items():
            yield from _unusable(str(name), key)
            yield from _unusable(inner, _under(key, str(name)))
    elif isinstance(value, str):
        if any("\ud800" <= character <= "\udfff" for character in value):
            yield f"{key}: {_show(value)} is not a text in UTF-8: correct it"
    elif isinstance(value, Sequence) and not isinstance(value, bytes):
        for place, inner in enumerate(value):
            yield from _unusable(inner, f"{key}[{place}]")
    elif isinstance(value, (int, float)) and not -sys.float_info.max <= value <= sys.float_info.max:
        # A side of bounds that is infinite is one without a bound.
        is_side = key.rpartition("[")[0].endswith((".limits", ".valid")) and value in (math.inf, -math.inf)
        if not is_side:
            yield f"{key}: {_show(value)} is not a finite number: write one, or remove the key for its default"


def _explain(error: "ValidationError") -> Iterator[str]:
    key = _key(error)
    rule: Any = error.validator_value
    instance: Any = error.instance
    value = _show(instance)
    described: Mapping[str, Any] = error.schema if isinstance(error.schema, Mapping) else {}
    such_as = _such_as(described)
    if error.validator == "required":
        for missing in rule:
            if missing not in instance:
                example = _such_as(described.get("properties", {}).get(missing, {}), prefix=f"{missing}: ")
                yield f"{_under(key, missing)}: is missing: add it{example}"
    elif error.validator == "additionalProperties":
        known = list(described["properties"])
        for unknown in sorted(set(map(str, instance)) - set(known)):
            fix = hint(unknown, known, f"known keys are {', '.join(known)}")
            yield f"{_under(key, unknown)}: {_show(instance.get(unknown))} is under an unknown key: {fix}"
    elif error.validator == "type":
        type_name = _TYPES.get(str(rule), str(rule))
        quotes = _quotes(instance) if rule == "string" else ""
        yield f"{key}: {value} is not {type_name}: write {type_name}{such_as}{quotes}"
    elif error.validator == "anyOf":
        yield from _none_fits(error, such_as)
    elif error.validator == "enum":
        fix = hint(str(instance), map(str, rule), "choose one")
        yield f"{key}: {value} is none of {', '.join(map(str, rule))}: {fix}"
    elif error.validator == "uniqueItems":
        twice = sorted({str(item) for item in instance if list(instance).count(item) > 1})
        yield f"{key}: {value} has {', '.join(twice)} more than once: name each once"
    elif error.validator in ("minItems", "maxItems") and described.get("minItems") == described.get("maxItems"):
        yield f"{key}: {value} has {len(instance)} entries: write {rule}{such_as}"
    elif error.validator == "minItems":
        yield f"{key}: {value} is empty: name at least {rule}{such_as}"
    elif error.validator == "maxItems":
        yield f"{key}: has {len(instance)} entries: at most {rule} are possible; split the pipeline"
    elif error.validator == "minProperties" and instance:
        yield f"{key}: {value} says nothing: write what it is for{such_as}"
    elif error.validator == "minProperties":
        yield f"{key}: {value} is empty: write what it asks for, or remove it{such_as}"
    elif error.validator == "maxProperties":
        yield f"{key}: has {len(instance)} entries: at most {rule} are possible"
    elif error.validator in ("minimum", "maximum"):
        bound = "at least" if error.validator == "minimum" else "at most"
        yield f"{key}: {value} is out of range: write {bound} {rule}{such_as}"
    elif error.validator == "minLength" and key.startswith("where."):
        yield f"{key}: {value} is empty: write a value, or `{{present: false}}` for points without the tag"
    elif error.validator in ("minLength", "maxLength"):
        if error.validator == "minLength":
            yield f"{key}: {value} is empty: write a name{such_as}"
        else:
            yield f"{key}: {value} is longer than {rule} characters: write a shorter one{such_as}"
    elif error.validator == "format":
        yield f"{key}: {value} {error.cause}"
    elif error.validator == "pattern" and instance == "" and described.get("minLength"):
        # That it is empty is said already.
        return
    elif error.validator == "pattern":
        yield f"{key}: {value} {_PATTERNS.get(_kind(rule), 'does not fit')}{such_as}"
    elif error.validator is None:
        yield f"{key}: the name {value} cannot stand beside not, matches or not_matches: remove it, or them"
    else:
        yield f"{key}: {value} {error.message}"


def _none_fits(error: "ValidationError", such_as: str) -> Iterator[str]:
    """Yield what is wrong by the alternative whose type fits; no two alternatives have the same type."""
    alternatives: dict[int, list[ValidationError]] = {}
    for inner in error.context or ():
        alternatives.setdefault(int(inner.schema_path[0]), []).append(inner)
    expected = []
    for errors_of_type in alternatives.values():
        types = [str(inner.validator_value) for inner in errors_of_type if inner.validator == "type" and not inner.path]
        if not types:
            for inner in errors_of_type:
                yield from _explain(inner)
            return
        expected += [_TYPES.get(name, name) for name in types]
    value = _show(error.instance)
    quotes = _quotes(error.instance) if "text" in expected else ""
    yield f"{_key(error)}: {value} is not {' or '.join(expected)}: write one of them{such_as}{quotes}"


def _quotes(value: object) -> str:
    """Return that quotes would make a text of a value which people wrote without them."""
    if isinstance(value, bool):
        words = "true, yes and on" if value else "false, no and off"
        return f"; YAML reads {words} like this unless they stand in quotes"
    return f'; with quotes, "{_show(value)}", it is text' if isinstance(value, (int, float)) else ""


_PATTERNS = {
    "name": "cannot be a pipeline's name: use letters a to z, digits, and _ . - after the first, at most 64",
    "topic": "cannot be a topic's name: use letters a to z, digits, and _ . -, at most 64",
    "tickscript": "cannot be the name of a TICKscript: write a file's name without its folder: letters a to z, digits, "
    "and _ . -, at most 63, with .tick at its end",
    "duration": "is not a duration: write an integer and one of ms, s, m, h, d, w",
    "size": "is not a size: write an integer and one of KiB, MiB, GiB",
    "percentage": "is not a percentage: write a number, or a number and %, without a space",
    "time": "is not a time: write a duration before now or an RFC 3339 time",
    "regular_expression": "has a control character in it, or a text that is not UTF-8: write \\t or the like instead",
    "unit": "has a control character in it: write what stands behind a number",
    "identifier": "has a control character in it or a backslash at its end, which line protocol cannot carry: "
    "rename it",
}


def _kind(pattern: object) -> str:
    schema = load_schema()
    known = {name: definition.get("pattern") for name, definition in schema["$defs"].items()}
    known["name"] = schema["properties"]["name"]["pattern"]
    known["unit"] = schema["$defs"]["field"]["properties"]["unit"]["pattern"]
    known["tickscript"] = schema["properties"]["tickscript"]["pattern"]
    known["topic"] = schema["properties"]["alerts"]["properties"]["topic"]["pattern"]
    return next((name for name, text in known.items() if text == pattern), "")


def _key(error: "ValidationError") -> str:
    text = ""
    for part in error.absolute_path:
        text += f"[{part}]" if isinstance(part, int) else _under(text, str(part))[len(text) :]
    return text


def _under(key: str, name: str) -> str:
    return f"{key}.{name}" if key else name


def _such_as(schema: Mapping[str, Any], prefix: str = "") -> str:
    examples = schema.get("examples")
    if not examples:
        return ""
    example = examples[0]
    text = example if isinstance(example, str) else json.dumps(example, ensure_ascii=False)
    return f", such as `{prefix}{text}`"
