"""The TICKscript of a pipeline: ours, or a custom one that the pipeline names by its key `tickscript`.

The role `pipelines` makes a template of the script and a task with the vars document; `anomaly explain` prints both.
Needs `anomaly.pipeline` only, so that the controller can import it.
"""

import difflib
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import Path

from anomaly.kapacitor.variables import VARIABLES
from anomaly.pipeline import Pipeline

DEFAULT_NAME = "pipeline.tick"

# Comments and strings come first, because a declaration inside of one is not a declaration.
_TOKENS = re.compile(
    r"//[^\n]*|'''.*?'''|'(?:\\.|[^'\\])*'|\"(?:\\.|[^\"\\])*\""
    r"|(?P<udf>@anomaly\s*\()"
    r"|(?P<window>\|\s*window\s*\()"
    r"|(?P<stream>\bstream\b)"
    r"|(?P<exec>\.\s*exec\s*\()"
    r"|(?P<option>\.\s*spec\s*\()"
    r"|\bvar\s+(?P<name>\w+)(?:\s*=|\s+(?P<type>\w+))",
    re.DOTALL,
)


class TickscriptError(ValueError):
    """A custom script that cannot be read.

    Attributes:
        wrong: what is wrong with it.
        fix: what to do.
    """

    def __init__(self, wrong: str, fix: str) -> None:
        super().__init__(f"{wrong}: {fix}")
        self.wrong = wrong
        self.fix = fix


@dataclass(frozen=True, slots=True)
class VarDeclaration:
    """A var of a script.

    Attributes:
        name: the var's name.
        type: the type that a declaration without a value names; None if it has a value.
    """

    name: str
    type: str | None


def find_script(pipeline: Pipeline, directory: Path) -> str:
    """Return the text of a pipeline's script.

    Args:
        pipeline: the pipeline; without the key `tickscript` it has ours.
        directory: the folder of custom scripts.

    Raises:
        TickscriptError: the custom script is not there or cannot be read.
    """
    name = pipeline.tickscript
    if name is None:
        return resources.files("anomaly.kapacitor").joinpath(DEFAULT_NAME).read_text(encoding="utf-8")
    path = directory / name
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError as error:
        raise TickscriptError("is not there", f"write the TICKscript {path}, or remove the key") from error
    except (OSError, UnicodeDecodeError) as error:
        raise TickscriptError(f"cannot be read as UTF-8 text ({error})", f"mend {path}") from error


def declarations(script: str) -> list[VarDeclaration]:
    """Return the vars of a script, with and without a value, in their order."""
    return [
        VarDeclaration(match["name"], match["type"]) for match in _TOKENS.finditer(script) if match["name"] is not None
    ]


def declared(script: str) -> frozenset[str]:
    """Return the names of the vars that a script wants a value for."""
    return frozenset(declaration.name for declaration in declarations(script) if declaration.type is not None)


def script_problems(script: str) -> Iterator[tuple[str, str]]:
    """Yield what keeps a custom script from being a pipeline's, each with what to do.

    Kapacitor checks the rest when the task is defined, and names line and column.
    """
    tokens = list(_TOKENS.finditer(script))
    if not any(match["udf"] for match in tokens):
        yield "it does not call the UDF, so nothing would be scored", "add @anomaly().spec(specification) to its stream"
    elif not any(match["option"] for match in tokens):
        yield "it does not tell the UDF which pipeline it serves", "add .spec(specification) to @anomaly()"
    if _hands_windows(tokens):
        yield "it hands the UDF windows, and the UDF cuts them itself", "remove |window() before @anomaly()"
    if any(match["exec"] for match in tokens):
        yield "it starts a program, and Kapacitor runs with the handler exec disabled", "post to a service with .post()"
    for name, kind in ((declaration.name, declaration.type) for declaration in declarations(script)):
        offered = VARIABLES.get(name)
        if offered is None and kind is not None:
            close = difflib.get_close_matches(name, VARIABLES, n=1)
            known = f"rename it to {close[0]}" if close else f"use one of {', '.join(VARIABLES)}"
            yield f"it declares the var {name} without a value, and no pipeline has it", f"give it a value, or {known}"
        elif offered is not None and kind not in (None, offered.type):
            yield f"it declares {name} as {kind}, and it is a {offered.type}", f"write `var {name} {offered.type}`"


def misfits(script: str, pipeline: Pipeline) -> Iterator[tuple[str, str]]:
    """Yield what keeps a script from being this pipeline's, each with what to do."""
    if pipeline.where and "reads" not in declared(script):
        yield (
            "it hands the UDF every point, and the pipeline's `where` leaves some out",
            (
                "declare reads, read_names and handed, and put |eval(reads).as(read_names).keep(handed) and "
                '|where(lambda: "_readable") before @anomaly(), or remove `where`'
            ),
        )


def _hands_windows(tokens: Sequence[re.Match[str]]) -> bool:
    """Return whether a stream's points become windows before they reach the UDF.

    Args:
        tokens: the matches of _TOKENS in a script.
    """
    windows = False
    for match in tokens:
        if match["udf"] and windows:
            return True
        windows = match["window"] is not None or (windows and match["stream"] is None and match["udf"] is None)
    return False
