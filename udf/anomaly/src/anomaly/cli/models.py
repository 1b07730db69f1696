"""`anomaly models`: lists, compares, promotes and removes the versions on disk."""

import argparse
import json
from dataclasses import asdict
from typing import Any

from anomaly.cli import codes
from anomaly.cli.common import UsageError, out, result, say
from anomaly.models.libraries import installed
from anomaly.models.manifest import differences
from anomaly.models.store import CURRENT, SHADOW, Store, StoreError, Version, pipelines


def models(options: argparse.Namespace) -> int:
    """Run the action that the options name.

    Returns:
        The exit code.

    Raises:
        StoreError: the models cannot be read or changed.
        UsageError: the options do not go together.
    """
    return _ACTIONS[options.action](options)


def _show(options: argparse.Namespace) -> int:
    store = Store(options.models, options.pipeline)
    manifest = store.manifest(_version(store, options.version))
    if options.json:
        result(manifest.to_json())
        return codes.DONE
    for name, value in (("version", manifest.version), ("created", manifest.created), ("parent", manifest.parent)):
        out(f"{name}: {value}")
    for name, value in manifest.facts().items():
        out(f"{name}: {_text(value)}")
    for name, file in manifest.files.items():
        out(f"{name}: {file.bytes} bytes, SHA-256 {file.sha256}")
    return codes.DONE


def _diff(options: argparse.Namespace) -> int:
    store = Store(options.models, options.pipeline)
    before, after = (_version(store, name) for name in (options.version, options.other))
    differing = differences(store.manifest(before), store.manifest(after))
    if options.json:
        result({"before": before, "after": after, "differences": [asdict(difference) for difference in differing]})
        return codes.DONE
    out(f"{before} -> {after}" + ("" if differing else ": no difference"))
    for difference in differing:
        out(f"{difference.what}: {_text(difference.before)} -> {_text(difference.after)}")
    return codes.DONE


def _verify(options: argparse.Namespace) -> int:
    store = Store(options.models, options.pipeline)
    names = [options.version] if options.version else [version.name for version in store.versions()]
    problems = [problem for name in names for problem in store.verify(name)]
    if problems:
        raise StoreError("\n".join(f"{problem}: train again, or promote another version" for problem in problems))
    libraries = installed()
    for name in names:
        manifest = store.manifest(name)
        others = [
            f"{library} {version} ({libraries.get(library)} here)"
            for library, version in manifest.libraries.items()
            if version != libraries.get(library)
        ]
        problem = manifest.outdated()
        if problem is not None:
            say(f"{name} cannot be used, train again: {problem}")
        elif others:
            say(f"{name} was trained with {', '.join(others)}: scores are the same, model.joblib may not open")
    result({"pipeline": options.pipeline, "status": "verified", "versions": names})
    return codes.DONE


def _promote(options: argparse.Namespace) -> int:
    store = Store(options.models, options.pipeline)
    changed = store.current() != options.version
    if changed:
        store.promote(options.version)
    return _changed(options, "promoted" if changed else "unchanged", version=options.version)


def _rollback(options: argparse.Namespace) -> int:
    return _changed(options, "rolled back", version=Store(options.models, options.pipeline).rollback())


def _shadow(options: argparse.Namespace) -> int:
    store = Store(options.models, options.pipeline)
    changed = store.shadow() != options.version
    if changed:
        store.set_shadow(options.version)
    return _changed(options, "shadowed" if changed else "unchanged", version=options.version)


def _compare(options: argparse.Namespace) -> int:
    from anomaly.cli.compare import compared

    return compared(options)


def _prune(options: argparse.Namespace) -> int:
    if options.keep < 1:
        raise UsageError(f"--keep: {options.keep} is too few: keep at least 1")
    removed = Store(options.models, options.pipeline).prune(options.keep)
    return _changed(options, "pruned" if removed else "unchanged", removed=removed)


def _changed(options: argparse.Namespace, status: str, **more: Any) -> int:
    """Print a result for programs, and return the exit code."""
    result({"pipeline": options.pipeline, "status": status, **more})
    return codes.DONE


def _version(store: Store, name: str) -> str:
    """Return a version's name; the name may be that of a link, `current` or `shadow`."""
    if name not in (CURRENT, SHADOW):
        return name
    version = store.linked(name)
    if version is None:
        raise UsageError(f"pipeline {store.pipeline} has no {name} version: `anomaly models list` shows what there is")
    return version


def _text(value: Any) -> str:
    """Return a text as it is, and any other value as JSON."""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


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
        mark = "*" if row["current"] else "s" if row["shadow"] else " "
        out(
            f"{mark} {row['pipeline']}  {row['version']}  {row['from']} to {row['to']}  {row['windows']} windows "
            f"of {row['series']} series"
            + (f", {row['untrained']} of them without a window to train on" if row["untrained"] else "")
            + (f", {row['trends']} steady trends" if row["trends"] else "")
            + (", severity without promise" if row["doubts"] else "")
            + (f"; cannot be used: {row['problem']}" if row["problem"] else "")
        )
    return codes.DONE


def _row(pipeline: str, version: Version) -> dict[str, Any]:
    """Return a version as plain data."""
    manifest = version.manifest
    return {
        "pipeline": pipeline,
        "version": version.name,
        "current": version.current,
        "shadow": version.shadow,
        "fingerprint": manifest.fingerprint,
        "from": manifest.range.begin,
        "to": manifest.range.end,
        "windows": manifest.counts.windows,
        "series": manifest.counts.series,
        "untrained": manifest.untrained,
        "doubts": list(manifest.doubts),
        "trends": manifest.trends,
        "problem": version.problem,
    }


_ACTIONS = {
    "list": _list,
    "show": _show,
    "diff": _diff,
    "verify": _verify,
    "promote": _promote,
    "rollback": _rollback,
    "shadow": _shadow,
    "compare": _compare,
    "prune": _prune,
}
