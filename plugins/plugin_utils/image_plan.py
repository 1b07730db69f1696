"""Where a host's images come from: what the engine has, and how to get the rest. Nothing here talks to anything.

An image has *candidates*, the ways to get it in the order in which they are tried: out of an archive, from a registry,
by building it. The first candidate whose reference the engine has is *present*; an image without one is missing.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

HUB = ("docker.io", "index.docker.io", "registry-1.docker.io")

Candidate = dict[str, Any]

# What says that the registry as a whole is out of reach.
UNREACHABLE = re.compile(
    r"no such host|connection refused|timeout|deadline exceeded|unreachable|no route|certificate|x509|proxyconnect|EOF",
    re.IGNORECASE,
)


def is_unreachable(message: str) -> bool:
    """Tell whether an engine's message is about the registry as a whole."""
    return UNREACHABLE.search(message) is not None


def reason_of(message: str) -> str:
    """Return the engine's own words, which a module's message has in brackets at its end."""
    return re.sub(r'^.*?\("(.*)"\)$', r"\1", message)


def _references(name: str, plan: Mapping[str, Any]) -> list[str]:
    """Return the references under which a registry may have an image; none if it cannot."""
    tag = plan["tags"].get(name)
    path = plan["repositories"].get(name)
    if not tag or not path:
        return []
    registry = str(plan["registry"]).rstrip("/")
    short = str(path).removeprefix("library/")
    if registry in HUB:
        # Our own images are on no public registry.
        return [] if name in plan["ours"] else [f"{short}:{tag}"]
    # Mirrors of Docker Hub keep its paths; registries that people push into mostly leave "library" out.
    return [f"{registry}/{each}:{tag}" for each in dict.fromkeys([path, short])]


def candidates_of(names: Iterable[str], plan: Mapping[str, Any]) -> dict[str, list[Candidate]]:
    """Return the ways to get each image, the one to be tried first in front.

    Args:
        names: our names of the wanted images.
        plan: `source` (image_source), `registry`, `repositories` (name to path), `tags` (name to tag in a
            registry), `digests` (name to digest that is demanded), `built` (name to the reference that a build
            gives), `ours` (names that no public registry has), `archive` (name to entry of the archive's list).

    Returns:
        Name to candidates: `name`, `source` (archive, pull or build), `ref`, and `digest` or `entry` where
        they apply.
    """
    source = plan["source"]
    by_image: dict[str, list[Candidate]] = {}
    for name in names:
        candidates: list[Candidate] = []
        entry = plan["archive"].get(name)
        if source in ("archive", "auto") and entry:
            candidates.append({"name": name, "source": "archive", "ref": entry["ref"], "entry": entry})
        if source in ("pull", "auto"):
            candidates += [
                {"name": name, "source": "pull", "ref": reference, "digest": plan["digests"].get(name, "")}
                for reference in _references(name, plan)
            ]
        # No registry has our own images, so those are built on what is pulled.
        if (source in ("build", "auto") or (source == "pull" and name in plan["ours"])) and name in plan["built"]:
            candidates.append({"name": name, "source": "build", "ref": plan["built"][name]})
        by_image[name] = candidates
    return by_image


def _digest(image: Mapping[str, Any], reference: str) -> str:
    """Return the digest that the registry of a reference gave an image, or an empty string."""
    repository = reference.rpartition(":")[0]
    for item in image.get("RepoDigests") or []:
        if item.startswith(f"{repository}@"):
            return str(item.partition("@")[2])
    return ""


def _fits(candidate: Candidate, image: Mapping[str, Any], recorded: Mapping[str, Any]) -> bool:
    """Tell whether an image that an engine has under the candidate's reference is the one that is meant."""
    if candidate["source"] == "pull":
        return not candidate["digest"] or _digest(image, candidate["ref"]) == candidate["digest"]
    if candidate["source"] == "archive":
        entry = candidate["entry"]
        # Engines of different kinds name the same image differently; then what was loaded before counts.
        loaded = recorded.get("archive_sha256") == entry["sha256"] and recorded.get("id") == image["Id"]
        return loaded or bool(image["Id"] == entry["id"])
    return True


def present_images(
    candidates: Mapping[str, list[Candidate]],
    images: Iterable[Mapping[str, Any]],
    recorded: Mapping[str, Mapping[str, Any]],
) -> dict[str, dict[str, Any]]:
    """Return what an engine has: for each image the first candidate that is there.

    Args:
        candidates: as `candidates_of` gives them.
        images: what `docker_image_info` says.
        recorded: name to what the lock file says of this host.

    Returns:
        Name to `ref`, `id`, `digest`, `source`, `size` (bytes), and `archive_sha256` of a loaded one;
        without the names that are not there.
    """
    by_reference = {tag: image for image in images for tag in image.get("RepoTags") or []}
    present = {}
    for name, ways in candidates.items():
        for candidate in ways:
            image = by_reference.get(candidate["ref"])
            if image is None or not _fits(candidate, image, recorded.get(name, {})):
                continue
            present[name] = {
                "ref": candidate["ref"],
                "id": image["Id"],
                "digest": _digest(image, candidate["ref"]),
                "source": candidate["source"],
                "size": image["Size"],
            }
            if candidate["source"] == "archive":
                present[name]["archive_sha256"] = candidate["entry"]["sha256"]
            break
    return present


def excuses_for(
    names: Iterable[str],
    plan: Mapping[str, Any],
    listed: Iterable[Mapping[str, Any]],
    failures: Mapping[str, Iterable[str]],
    unreachable: str,
) -> dict[str, str]:
    """Return why each missing image is missing, in plain words.

    Args:
        names: our names of the images that are missing.
        plan: as for `candidates_of`.
        listed: all entries of the archive's list.
        failures: name to what went wrong in this run.
        unreachable: why the registry could not be reached at all; empty if it could, or was not asked.
    """
    source = plan["source"]
    versions = {entry["name"]: entry["version"] for entry in listed}
    excuses = {}
    for name in names:
        # Only the first image is asked for where the registry is away; all say so alike, whichever that was.
        said = [failure for failure in failures.get(name, []) if not (unreachable and failure.endswith(unreachable))]
        if unreachable and not said and _references(name, plan):
            said.append(f"{plan['registry']} cannot be reached: {unreachable}")
        if source == "archive" and name not in plan["archive"]:
            said.append(
                f"the archive has {name} {versions[name]}, not the version that is wanted"
                if name in versions
                else f"the archive does not list {name}"
            )
        if source in ("build", "auto") and name not in plan["built"]:
            said.append("no package registry serves it, so it cannot be built either")
        excuses[name] = "; ".join(said) or f"image_source is {source}, and nothing gives {name}"
    return excuses


def archived_images(listed: Iterable[Mapping[str, Any]], versions: Mapping[str, str]) -> dict[str, Mapping[str, Any]]:
    """Return the entries of an archive's list that are of the wanted versions, by name."""
    return {entry["name"]: entry for entry in listed if versions.get(entry["name"]) == entry["version"]}


def sha256sums(text: str) -> dict[str, str]:
    """Return file name to hex digest of a SHA256SUMS file."""
    pairs = (line.split(maxsplit=1) for line in text.splitlines() if line.strip())
    return {name.lstrip("*"): digest for digest, name in pairs}


@dataclass(frozen=True)
class ImageRequest:
    """What a host needs, and what its inventory says of where it may come from.

    Attributes:
        images: our name of each image that its services run from to `version`, and `built` (images/build.py can build
            it), `ours` (no public registry has it), `optional` (the stack goes on without it) where they apply.
        bases: our name of each image that ours are built on to its tag in a registry.
        source: `image_source`.
        registry: `image_registry`.
        repositories: our name of an image to its path in the registry.
        digests: our name of an image to the digest that the inventory demands.
        refresh: whether the registry is asked again for images that are there.
        recorded: what the lock file says of this host: our name of an image to what was resolved.
        listed: the entries of the archive's list.
        dry: whether this is a run in check mode, which gets nothing.
        failures: our name of an image to what went wrong in this run.
        unreachable: why the registry could not be reached in this run; empty if it could, or was not asked.
        loads: our name of an image to what this run has loaded out of the archive.
    """

    images: Mapping[str, Mapping[str, Any]]
    bases: Mapping[str, str]
    source: str
    registry: str
    repositories: Mapping[str, str]
    digests: Mapping[str, str] = field(default_factory=dict)
    refresh: bool = False
    recorded: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    listed: Sequence[Mapping[str, Any]] = ()
    dry: bool = False
    failures: Mapping[str, Sequence[str]] = field(default_factory=dict)
    unreachable: str = ""
    loads: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)

    @property
    def buildable(self) -> list[str]:
        """Our names of the images that this host needs and that can be built, if the source lets them be."""
        names = [name for name, image in self.images.items() if image.get("built")]
        return names if self.source in ("build", "pull", "auto") else []

    def plan(self, built: Mapping[str, str]) -> dict[str, Any]:
        """Return what `candidates_of` takes.

        Args:
            built: our name of an image to the reference that a build gives it.
        """
        tags = {
            **self.bases,
            **{
                name: built.get(name, "").rpartition(":")[2] if image.get("ours") else image["version"]
                for name, image in self.images.items()
            },
        }
        return {
            "source": self.source,
            "registry": self.registry,
            "repositories": self.repositories,
            "tags": tags,
            "digests": self._digests(tags),
            "built": built,
            "ours": [name for name, image in self.images.items() if image.get("ours")],
            "archive": archived_images(self.listed, {name: image["version"] for name, image in self.images.items()}),
        }

    def _digests(self, tags: Mapping[str, str]) -> dict[str, str]:
        """Return the digests that the inventory demands, else those that this host got with the same tags before."""
        kept = {} if self.refresh else self.recorded
        known = {
            name: item["digest"]
            for name, item in kept.items()
            if item.get("digest") and str(item["ref"]).endswith(f":{tags.get(name, 'none')}")
        }
        return {**known, **self.digests}

    def found_bases(self, engine: Sequence[Mapping[str, Any]]) -> dict[str, str]:
        """Return the pulled images that ours are built on: our name to the reference.

        Args:
            engine: the images that the engine has.
        """
        present = present_images(self.base_candidates(), engine, {})
        return {name: present[name]["ref"] for name in sorted(present)}

    def base_candidates(self) -> dict[str, list[Candidate]]:
        """Return the ways to get what ours are built on."""
        return candidates_of(self.bases, self.plan({}))


def plan_images(request: ImageRequest, engine: Sequence[Mapping[str, Any]], built: Mapping[str, str]) -> dict[str, Any]:
    """Return where each image of a host comes from.

    Args:
        request: what the host needs.
        engine: the images that the engine has, as `docker image ls` and `docker image inspect` describe them.
        built: our name of an image to the reference that a build gives it.

    Returns:
        `details`: our name of each image that is there, or would be, to where it is from; `resolved`: our name to its
        reference, empty for what is left out; `reasons`: why that is; `lost`: what a stack cannot do without;
        `missing`: what is not there; `load`, `pull` and `build`: what to get, in order, and `pull_bases`: what to pull
        before a build; `said`: what is worth telling; `lock`: what the lock file is to say of this host.
    """
    plan = request.plan(built)
    ways = candidates_of(request.images, plan)
    present = present_images(ways, engine, {**request.recorded, **request.loads})
    missing = [name for name in request.images if name not in present]
    details = {**_expected(request, ways, missing), **present}
    left_out = [name for name in request.images if name not in details]
    reasons = excuses_for(left_out, plan, request.listed, request.failures, request.unreachable)
    if request.dry:
        # A dry run tries nothing, so it repeats what the last run said.
        said_before = {name: request.recorded.get(name, {}).get("reason") for name in left_out}
        reasons |= {name: reason for name, reason in said_before.items() if reason}
    candidates = [way for name in missing for way in ways[name]]
    pulled = request.images if request.refresh else missing
    return {
        "details": details,
        "resolved": {name: details[name]["ref"] if name in details else "" for name in request.images},
        "reasons": reasons,
        "lost": [name for name in left_out if not request.images[name].get("optional")],
        "missing": missing,
        "load": [way for way in candidates if way["source"] == "archive"],
        "pull": [way for name in pulled for way in ways[name] if way["source"] == "pull"],
        "pull_bases": [
            way
            for each in request.base_candidates().values()
            for way in each
            if way["source"] == "pull" and any(name in plan["ours"] for name in missing)
        ],
        "build": [way["name"] for way in candidates if way["source"] == "build"],
        "said": _said(request, details, reasons),
        "lock": {
            name: details.get(name)
            or {
                "ref": "",
                "digest": "",
                "tried": [way["ref"] for way in ways[name]],
                "reason": reasons.get(name, ""),
            }
            for name in request.images
        },
    }


def known_images(
    request: ImageRequest, engine: Sequence[Mapping[str, Any]], built: Mapping[str, str]
) -> list[Mapping[str, Any]]:
    """Return the images that matter of those that the engine has, which may be many.

    Args:
        request: what the host needs.
        engine: the images that the engine has.
        built: our name of an image to the reference that a build gives it.
    """
    ways = [*candidates_of(request.images, request.plan(built)).values(), *request.base_candidates().values()]
    references = {candidate["ref"] for each in ways for candidate in each}
    return [image for image in engine if references & set(image.get("RepoTags") or [])]


def _expected(
    request: ImageRequest, ways: Mapping[str, Sequence[Candidate]], missing: Iterable[str]
) -> dict[str, dict[str, Any]]:
    """Return what a dry run goes on with; what the last run tried in vain is not expected to come now."""
    return {
        name: {"ref": ways[name][0]["ref"], "id": "", "digest": "", "size": 0, "source": ways[name][0]["source"]}
        for name in missing
        if request.dry
        and ways[name]
        and [way["ref"] for way in ways[name]] != request.recorded.get(name, {}).get("tried", [])
    }


def _said(request: ImageRequest, details: Mapping[str, Mapping[str, Any]], reasons: Mapping[str, str]) -> list[str]:
    """Return what was left out, and what came another way than the first one that was tried."""
    said = []
    for name in request.images:
        if name in reasons:
            said.append(f"{name} is left out: {reasons[name]}")
        elif name in request.failures:
            failures = "; ".join(request.failures[name])
            said.append(f"{name} is here by {details[name]['source']}, since {failures}")
    return said


def exported_images(
    hosts: Iterable[str],
    details: Mapping[str, Mapping[str, Mapping[str, Any]]],
    images: Mapping[str, Mapping[str, Any]],
) -> list[dict[str, Any]]:
    """Return what an export writes; of hosts that have the same image, the first one saves it.

    Args:
        hosts: the hosts of the play.
        details: host to what `plan_images` says of it.
        images: our name of an image to its `version`.

    Returns:
        For each image `host`, `name`, `version`, `ref`, `id` and `file`, in the order of the names.
    """
    exports: dict[str, dict[str, Any]] = {}
    for host in hosts:
        for name, item in details[host].items():
            version = images[name]["version"]
            exports.setdefault(
                name,
                {
                    "host": host,
                    "name": name,
                    "version": version,
                    "ref": item["ref"],
                    "id": item["id"],
                    "file": f"{name}-{version}.tar.gz",
                },
            )
    return [exports[name] for name in sorted(exports)]
