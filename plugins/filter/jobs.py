"""Filter of the role job: splits the output of a command of anomaly by pipeline."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Any

DOCUMENTATION = """
name: jobs
short_description: Outcomes of a command of anomaly by pipeline
"""


def outcomes(stdout: str, pipelines: Sequence[str], log: str, report: str = "") -> dict[str, Any]:
    """Split a command's output by pipeline.

    Args:
        stdout: the command's output. For several pipelines it has one line for each, a JSON object.
        pipelines: names of the pipelines that the command ran for.
        log: path of the whole log, for messages.
        report: the engine's reason why the container failed; empty if it did not fail.

    Returns:
        `outputs`, the output by pipeline, and `failures`, a sentence for each pipeline without output.
    """
    verdicts = {verdict.get("pipeline"): verdict for verdict in map(_verdict, stdout.splitlines()) if verdict}
    outputs, failures = {}, []
    for name in pipelines:
        # A verdict without a pipeline holds for all of them.
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
    """Return the line as a verdict, or None if it is another line."""
    try:
        parsed = json.loads(line)
    except ValueError:
        return None
    return parsed if isinstance(parsed, dict) and "status" in parsed else None


def _sentence(name: str, verdict: dict[str, Any], log: str) -> str:
    history = f"history from {verdict['from']} to {verdict['to']}" if "from" in verdict else "before history was read"
    return f"{name}, {verdict['status']} ({history}): {verdict['message']}. The whole log: {log}"


class FilterModule:
    """Register the filters with Ansible."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Return each filter's function by its name."""
        return {"job_outcomes": outcomes}
