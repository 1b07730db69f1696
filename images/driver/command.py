"""The command line of images/build.py."""

from __future__ import annotations

import argparse
import json
import os
import signal
import sys
import time
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from types import FrameType
from typing import Any

from .build import Builder, Failed, Sources, Unfit, revision
from .catalog import INFLUXDB_VERSIONS, KAPACITOR_VERSIONS, catalog
from .engine import find
from .owner import follow
from .plan import BuildPlan, PlannedImage
from .process import clock, stop_running
from .schedule import BuildJob, run_jobs

REPOSITORY = Path(__file__).resolve().parents[2]
# What two compilations of Go at a time may take at their worst.
BYTES_FOR_TWO = 6 << 30


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command line; returns its exit code."""
    options = _parser().parse_args(arguments)
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _interrupt)
    try:
        if options.command == "build" and options.owner:
            follow(options.owner)
        plan = BuildPlan(
            catalog(options.influxdb_version, options.kapacitor_version),
            _given(options.base),
            options.prefix,
            REPOSITORY,
        )
        if options.command == "list":
            return _list(plan, options)
        if options.command == "tag":
            return _tag(plan, options)
        return _build(plan, options)
    except (Failed, Unfit, RuntimeError, FileNotFoundError, ValueError) as problem:
        print(problem, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("interrupted; what was built stays", file=sys.stderr)
        return 130


def _interrupt(number: int, _: FrameType | None) -> None:
    """Ends what is running before this ends, as Ctrl-C does: a build left alone would go on for nobody."""
    raise KeyboardInterrupt(number)


def _parser() -> argparse.ArgumentParser:
    names = sorted(catalog())
    shared = argparse.ArgumentParser(add_help=False)
    shared.add_argument("--prefix", default="influx-anomaly", help="what the images' names start with [%(default)s]")
    shared.add_argument("--influxdb-version", default=INFLUXDB_VERSIONS[0], choices=INFLUXDB_VERSIONS)
    shared.add_argument("--kapacitor-version", default=KAPACITOR_VERSIONS[0], choices=KAPACITOR_VERSIONS)
    shared.add_argument(
        "--base", action="append", default=[], metavar="NAME=REFERENCE", help="an image to use in place of ours"
    )
    shared.add_argument("--json", action="store_true", help="the answer as JSON on standard output")

    parser = argparse.ArgumentParser(
        prog="images/build.py", description="Builds the project's images where they are missing."
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    commands.add_parser("list", parents=[shared], help="all images, their references, and which are there")
    tag = commands.add_parser("tag", parents=[shared], help="the references that images have or will have")
    build = commands.add_parser("build", parents=[shared], help="build what is missing")
    for command in (tag, build):
        command.add_argument("names", nargs="+", choices=names, metavar="NAME", help=", ".join(names))

    sources = build.add_argument_group("where packages come from (nothing of it stays in an image)")
    sources.add_argument("--ca-bundle", default="", metavar="FILE", help="CAs, in PEM, that downloads are trusted by")
    sources.add_argument("--apt-mirror", default="", metavar="URL", help="of Debian; security updates at URL-security")
    sources.add_argument("--pip-index", default="", metavar="URL", help="a mirror of PyPI")
    sources.add_argument("--goproxy", default="", metavar="URL", help="as Go's variable GOPROXY")
    sources.add_argument("--gosumdb", default="", metavar="NAME", help="as Go's variable GOSUMDB")
    sources.add_argument("--cargo-registry", default="", metavar="URL", help="a mirror of crates.io, a sparse index")
    sources.add_argument("--npm-registry", default="", metavar="URL", help="a mirror of the npm registry")
    build.add_argument("--log-dir", type=Path, default=REPOSITORY / "build/images", metavar="DIR", help="[%(default)s]")
    build.add_argument("--jobs", type=int, default=_jobs(), metavar="N", help="images at a time [%(default)s here]")
    build.add_argument("--owner", type=int, metavar="PID", help="end when this process ends")
    build.add_argument("--source", default="", metavar="URL", help="the label org.opencontainers.image.source")
    return parser


def _jobs() -> int:
    """Two images at a time keep two cores busy, where the memory allows it."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return 2 if memory >= BYTES_FOR_TWO else 1


def _given(bases: Sequence[str]) -> dict[str, str]:
    given = {}
    for base in bases:
        name, separator, reference = base.partition("=")
        if not separator or not reference or name not in catalog():
            raise ValueError(f"--base '{base}' is not NAME=REFERENCE with a name of {', '.join(sorted(catalog()))}")
        given[name] = reference
    return given


def _list(plan: BuildPlan, options: argparse.Namespace) -> int:
    rows: list[dict[str, Any]] = []
    for name in catalog():
        reference = plan.reference(name)
        rows.append({"name": name, "ref": reference, "present": find(reference) is not None})
    if options.json:
        print(json.dumps(rows, indent=2))
    else:
        _table([[row["name"], "present" if row["present"] else "missing", row["ref"]] for row in rows])
    return 0


def _tag(plan: BuildPlan, options: argparse.Namespace) -> int:
    references = {name: plan.reference(name) for name in options.names}
    print(json.dumps(references, indent=2) if options.json else "\n".join(references.values()))
    return 0


def _build(plan: BuildPlan, options: argparse.Namespace) -> int:
    started = time.monotonic()
    missing = plan.missing(options.names, lambda reference: find(reference) is not None)
    builder = Builder(_sources(options), options.log_dir.resolve(), REPOSITORY, _labels(options))
    built: dict[str, float] = {}

    def build(planned: PlannedImage) -> None:
        begun = time.monotonic()
        if builder.build(planned):
            built[planned.image.name] = time.monotonic() - begun

    jobs = {}
    for name, planned in missing.items():
        image = planned.image
        needs = frozenset(base for base in image.bases.values() if base in missing)
        early = frozenset(base for base in image.early_bases if base in missing)
        # Only worth it if something else is waited for meanwhile.
        if image.early_stage and needs > early:
            stage = f"{name}:{image.early_stage}"
            jobs[stage] = BuildJob(partial(builder.build_early_stage, planned), early, image.minutes)
            needs |= {stage}
        jobs[name] = BuildJob(partial(build, planned), needs, image.minutes)
    run_jobs(jobs, options.jobs, stop_running)

    rows: list[dict[str, Any]] = []
    for name in dict.fromkeys([*missing, *options.names]):
        reference = plan.reference(name)
        present = find(reference)
        rows.append(
            {
                "name": name,
                "ref": reference,
                "tag": reference.rpartition(":")[2],
                "id": present.id if present else None,
                "size": present.size if present else None,
                "result": "given" if plan.is_given(name) else "built" if name in built else "reused",
                "seconds": round(built.get(name, 0.0), 1),
            }
        )
    if options.json:
        print(json.dumps(rows, indent=2))
    else:
        _table(
            [
                [
                    row["name"],
                    row["result"] + (f" in {clock(row['seconds'])}" if row["seconds"] else ""),
                    f"{row['size'] / 1e6:.0f} MB" if row["size"] else "not here yet",
                    row["ref"],
                ]
                for row in rows
            ]
        )
        print(f"all in {clock(time.monotonic() - started)}")
    return 0


def _sources(options: argparse.Namespace) -> Sources:
    try:
        bundle = Path(options.ca_bundle).read_bytes() if options.ca_bundle else b""
    except OSError as problem:
        raise ValueError(f"--ca-bundle '{options.ca_bundle}' cannot be read: {problem.strerror}") from None
    if bundle and b"-----BEGIN CERTIFICATE-----" not in bundle:
        raise ValueError(f"--ca-bundle '{options.ca_bundle}' has no certificate in PEM")
    return Sources(
        ca_bundle=bundle,
        ca_bundle_path=str(Path(options.ca_bundle).resolve()) if bundle else "",
        apt_mirror=options.apt_mirror,
        pip_index=options.pip_index,
        goproxy=options.goproxy,
        gosumdb=options.gosumdb,
        cargo_registry=options.cargo_registry,
        npm_registry=options.npm_registry,
    )


def _labels(options: argparse.Namespace) -> dict[str, str]:
    labels = {
        "org.opencontainers.image.source": options.source,
        "org.opencontainers.image.revision": revision(REPOSITORY),
    }
    return {name: value for name, value in labels.items() if value}


def _table(rows: Sequence[Sequence[str]]) -> None:
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    for row in rows:
        print("  ".join(f"{cell:<{width}}" for cell, width in zip(row, widths)).rstrip())
