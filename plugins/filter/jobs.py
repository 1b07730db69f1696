"""Filter of the role job: what a command of anomaly printed, taken apart by pipeline."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Any

DOCUMENTATION = """
name: jobs
short_description: What a command of anomaly made of its pipelines
"""


def outcomes(stdout: str, pipelines: Sequence[str], log: str, report: str = "") -> dict[str, Any]:
    """`outputs`, by pipeline what was printed of it, and `failures`, a sentence for each pipeline that lacks an output.

    Args:
        stdout: what the command printed. Of several pipelines, there is one line for each, a JSON object.
        pipelines: the names of those that it was run for.
        log: where all that it said is, for people.
        report: why the container failed, as its engine tells; empty if it did not.
    """
    verdicts = {verdict.get("pipeline"): verdict for verdict in map(_verdict, stdout.splitlines()) if verdict}
    outputs, failures = {}, []
    for name in pipelines:
        # What is wrong with all of them is said of none.
        verdict = verdicts.get(name, verdicts.get(None))
        if verdict and verdict["status"] in ("failed", "refused"):
            failures.append(_sentence(name, verdict, log))
        elif len(pipelines) == 1 and not report:
            outputs[name] = stdout
        elif verdict:
            outputs[name] = json.dumps(verdict)
        else:
            failures.append(f"{name}: {report or f'it printed no result. The whole log: {log}'}")
    return {"outputs": outputs, "failures": failures}


def _verdict(line: str) -> dict[str, Any] | None:
    """The line as the command's result; None if it is something else."""
    try:
        parsed = json.loads(line)
    except ValueError:
        return None
    return parsed if isinstance(parsed, dict) and "status" in parsed else None


def _sentence(name: str, verdict: dict[str, Any], log: str) -> str:
    history = f"history from {verdict['from']} to {verdict['to']}" if "from" in verdict else "before history was read"
    return f"{name}, {verdict['status']} ({history}): {verdict['message']}. The whole log: {log}"


class FilterModule:
    """Ansible's entry point."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Filter name -> function."""
        return {"job_outcomes": outcomes}
