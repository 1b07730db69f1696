"""Filters of the roles images and teardown: where an image may come from, what is there, what may be removed."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

STACK = "influx-anomaly.stack"
IMAGE = "influx-anomaly.image"
HUB = ("docker.io", "index.docker.io", "registry-1.docker.io")

Candidate = dict[str, Any]


def _references(name: str, plan: Mapping[str, Any]) -> list[str]:
    """The references under which a registry may have an image; none if it cannot."""
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


def images_candidates(names: Iterable[str], plan: Mapping[str, Any]) -> dict[str, list[Candidate]]:
    """The ways to get each image, the one to be tried first in front.

    Args:
        names: our names of the wanted images.
        plan: ``source`` (image_source), ``registry``, ``repositories`` (name to path), ``tags`` (name to tag in a
            registry), ``digests`` (name to digest that is demanded), ``built`` (name to the reference that a build
            gives), ``ours`` (names that no public registry has), ``archive`` (name to entry of the archive's list).

    Returns:
        Name to candidates: ``name``, ``source`` (archive, pull or build), ``ref``, and ``digest`` or ``entry`` where
        they apply.
    """
    source = plan["source"]
    found: dict[str, list[Candidate]] = {}
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
        found[name] = candidates
    return found


def _digest(image: Mapping[str, Any], reference: str) -> str:
    """The digest that the registry of a reference gave an image, or an empty string."""
    repository = reference.rpartition(":")[0]
    for item in image.get("RepoDigests") or []:
        if item.startswith(f"{repository}@"):
            return str(item.partition("@")[2])
    return ""


def _fits(candidate: Candidate, image: Mapping[str, Any], recorded: Mapping[str, Any]) -> bool:
    """Whether an image that an engine has under the candidate's reference is the one that is meant."""
    if candidate["source"] == "pull":
        return not candidate["digest"] or _digest(image, candidate["ref"]) == candidate["digest"]
    if candidate["source"] == "archive":
        entry = candidate["entry"]
        # Engines of different kinds name the same image differently; then what was loaded before counts.
        loaded = recorded.get("archive_sha256") == entry["sha256"] and recorded.get("id") == image["Id"]
        return loaded or bool(image["Id"] == entry["id"])
    return True


def images_present(
    candidates: Mapping[str, list[Candidate]],
    images: Iterable[Mapping[str, Any]],
    recorded: Mapping[str, Mapping[str, Any]],
) -> dict[str, dict[str, Any]]:
    """What an engine has already: for each image the first candidate that is there.

    Args:
        candidates: as ``images_candidates`` gives them.
        images: what ``docker_image_info`` says.
        recorded: name to what the lock file says of this host.

    Returns:
        Name to ``ref``, ``id``, ``digest``, ``source``, ``size`` (bytes), and ``archive_sha256`` of a loaded one;
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


def images_excuses(
    names: Iterable[str],
    plan: Mapping[str, Any],
    listed: Iterable[Mapping[str, Any]],
    failures: Mapping[str, Iterable[str]],
    unreachable: str,
) -> dict[str, str]:
    """Why there is no image, in plain words.

    Args:
        names: our names of the images that are missing.
        plan: as for ``images_candidates``.
        listed: all entries of the archive's list.
        failures: name to what went wrong in this run.
        unreachable: why the registry could not be reached at all; empty if it could, or was not asked.
    """
    source = plan["source"]
    versions = {entry["name"]: entry["version"] for entry in listed}
    excuses = {}
    for name in names:
        said = list(failures.get(name, []))
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


def images_archived(listed: Iterable[Mapping[str, Any]], versions: Mapping[str, str]) -> dict[str, Mapping[str, Any]]:
    """The entries of an archive's list that are of the wanted versions, by name."""
    return {entry["name"]: entry for entry in listed if versions.get(entry["name"]) == entry["version"]}


def sha256sums(text: str) -> dict[str, str]:
    """A SHA256SUMS file as file name to hex digest."""
    pairs = (line.split(maxsplit=1) for line in text.splitlines() if line.strip())
    return {name.lstrip("*"): digest for digest, name in pairs}


def images_table(details: Mapping[str, Mapping[str, Any]], reasons: Mapping[str, str]) -> list[str]:
    """Lines of a table: image, size, where it came from; then what was left out and why."""
    rows = [
        (name, f"{item['size'] / 1e6:.0f} MB" if item["size"] else "", item["source"], item["ref"])
        for name, item in sorted(details.items())
    ]
    widths = [max((len(row[column]) for row in rows), default=0) for column in range(3)]
    lines = [
        f"{name:<{widths[0]}}  {size:>{widths[1]}}  {source:<{widths[2]}}  {reference}"
        for name, size, source, reference in rows
    ]
    return lines + [f"{name}: {reason}" for name, reason in sorted(reasons.items()) if reason]


def _removable(image: Mapping[str, Any]) -> list[str]:
    """What to remove of an image that carries our label: its tags if they are ours, its id if it has none.

    What others have built on our images inherits the label, but not the name.
    """
    tags = [str(tag) for tag in image.get("RepoTags") or [] if tag != "<none>:<none>"]
    ours = re.compile(rf"(.*/)?influx-anomaly/{re.escape(image['Labels'][IMAGE])}:[^/]*")
    return [tag for tag in tags if ours.fullmatch(tag)] if tags else [str(image["Id"])]


def teardown_images(engine: Mapping[str, Any], stack: str, bases: Iterable[str]) -> list[dict[str, str]]:
    """The images of ours that nobody needs once a stack is gone, those first that are built on others.

    An image is needed if a container runs from it that is not this stack's. While another stack is on the engine, the
    images that others are built on are kept too.

    Args:
        engine: what ``docker_host_info`` says: all ``containers``, and the ``images`` that carry our label.
        stack: the stack that goes; its containers, which a dry run still sees, need nothing any more.
        bases: our names of the images that others are built on, the most basic one first.

    Returns:
        ``name`` (ours), ``tag`` (what to remove: a reference, or the id of an image without one).
    """
    order = {name: position for position, name in enumerate(bases)}
    containers = [item for item in engine["containers"] if (item.get("Labels") or {}).get(STACK) != stack]
    used = {item["ImageID"] for item in containers}
    other_stacks = any(STACK in (item.get("Labels") or {}) for item in containers)
    removable = [
        {"name": image["Labels"][IMAGE], "tag": tag}
        for image in engine["images"]
        if image["Id"] not in used and not (other_stacks and image["Labels"][IMAGE] in order)
        for tag in _removable(image)
    ]
    return sorted(removable, key=lambda item: (-order.get(item["name"], len(order)), item["tag"]))


class FilterModule:
    """Names of the filters, for Ansible."""

    def filters(self) -> dict[str, Any]:
        """Name to function."""
        return {
            "images_archived": images_archived,
            "images_candidates": images_candidates,
            "images_excuses": images_excuses,
            "images_present": images_present,
            "images_table": images_table,
            "sha256sums": sha256sums,
            "teardown_images": teardown_images,
        }
