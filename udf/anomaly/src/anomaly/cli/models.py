"""`anomaly models list|promote|rollback|prune`."""

import argparse
from typing import Any

from anomaly.cli import codes
from anomaly.cli.common import UsageError, out, result, say
from anomaly.store import Store, StoreError, Version, pipelines


def models(options: argparse.Namespace) -> int:
    """One of the four actions. Raises StoreError and UsageError."""
    if options.action == "list":
        return _list(options)
    store = Store(options.models, options.pipeline)
    answer: dict[str, Any] = {"pipeline": options.pipeline}
    if options.action == "promote":
        changed = store.current() != options.version
        if changed:
            store.promote(options.version)
        answer |= {"status": "promoted" if changed else "unchanged", "version": options.version}
    elif options.action == "rollback":
        answer |= {"status": "rolled back", "version": store.rollback()}
    else:
        if options.keep < 1:
            raise UsageError(f"--keep: {options.keep} is too few: keep at least 1")
        removed = store.prune(options.keep)
        answer |= {"status": "pruned" if removed else "unchanged", "removed": removed}
    result(answer)
    return codes.DONE


def _list(options: argparse.Namespace) -> int:
    names = [options.pipeline] if options.pipeline else pipelines(options.models)
    rows = []
    for name in names:
        try:
            rows += [_row(name, version) for version in Store(options.models, name).versions()]
        except StoreError as error:
            say(f"anomaly: {error}")
    if options.json:
        result({"models": rows})
        return codes.DONE
    if not rows:
        say(f"no models below {options.models}" + (f" for pipeline {options.pipeline}" if options.pipeline else ""))
    for row in rows:
        mark = "*" if row["current"] else " "
        out(
            f"{mark} {row['pipeline']}  {row['version']}  {row['from']} to {row['to']}  {row['windows']} windows "
            f"of {row['series']} series"
        )
    return codes.DONE


def _row(name: str, version: Version) -> dict[str, Any]:
    trained = version.manifest.get("range", {})
    counts = version.manifest.get("counts", {})
    return {
        "pipeline": name,
        "version": version.name,
        "current": version.current,
        "fingerprint": version.manifest.get("fingerprint"),
        "from": trained.get("from"),
        "to": trained.get("to"),
        "windows": counts.get("windows"),
        "series": counts.get("series"),
    }
