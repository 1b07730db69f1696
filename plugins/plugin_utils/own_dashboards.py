"""Dashboards of the user's own: files of Grafana's JSON in one folder, provisioned beside those of the stack."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

# Identifiers of the dashboards that the stack makes begin with this.
OURS = "anomaly-"


@dataclass(frozen=True)
class Wrong:
    """What is wrong with a file.

    Attributes:
        path: the file.
        wrong: what is wrong with it.
        fix: what to do.
    """

    path: Path
    wrong: str
    fix: str


def own_dashboards(folder: Path) -> tuple[dict[str, dict[str, Any]], list[Wrong]]:
    """Read the dashboards of a folder.

    Args:
        folder: the folder; without it there are none.

    Returns:
        The dashboards by the names that their files have for Grafana, and what is wrong with other files.
    """
    dashboards: dict[str, dict[str, Any]] = {}
    problems: list[Wrong] = []
    paths: dict[str, Path] = {}
    for path in sorted(folder.glob("*.json")):
        try:
            content = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            problems.append(Wrong(path, f"cannot be read as JSON ({error})", "export the dashboard from Grafana again"))
            continue
        wrong = _wrong(path, content, paths)
        if wrong is not None:
            problems.append(wrong)
            continue
        paths[content["uid"]] = path
        # No pipeline's name begins with _, and a dashboard's number is Grafana's own affair.
        dashboards[f"_own_{path.name}"] = {**content, "id": None}
    return dashboards, problems


def _wrong(path: Path, content: Any, taken: dict[str, Path]) -> Wrong | None:
    if not isinstance(content, dict) or not isinstance(content.get("panels"), list):
        return Wrong(path, "is not a dashboard: it has no list of panels", "export a dashboard as JSON from Grafana")
    for key in ("uid", "title"):
        if not isinstance(content.get(key), str) or not content[key]:
            return Wrong(path, f"has no {key}", f'add "{key}" with a text of its own')
    uid = content["uid"]
    if uid.startswith(OURS):
        return Wrong(
            path, f'has the uid "{uid}", which belongs to the stack', f'another uid, which does not begin with "{OURS}"'
        )
    if uid in taken:
        return Wrong(path, f'has the uid "{uid}", which {taken[uid].name} has, too', "another uid")
    return None
