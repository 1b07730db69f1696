"""Which reference each image has, and which have to be built."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from .catalog import Image
from .context import content_hash, context_files


@dataclass(frozen=True)
class PlannedImage:
    """An image with the files and the references that it is made from, and its own reference."""

    image: Image
    files: Mapping[str, Path]
    bases: Mapping[str, str]
    reference: str


class BuildPlan:
    """The images of one set of versions, bases and prefix."""

    def __init__(self, images: Mapping[str, Image], given: Mapping[str, str], prefix: str, repository: Path) -> None:
        self._images = images
        self._given = given
        self._prefix = prefix
        self._repository = repository
        self._planned: dict[str, PlannedImage] = {}

    def __getitem__(self, name: str) -> PlannedImage:
        if name not in self._planned:
            image = self._images[name]
            bases = {argument: self.reference(base) for argument, base in image.bases.items()}
            files = context_files(image, self._repository)
            reference = f"{self._prefix}/{name}:{image.version}-{content_hash(image, files, bases)}"
            self._planned[name] = PlannedImage(image, files, bases, reference)
        return self._planned[name]

    def reference(self, name: str) -> str:
        """Where an image is found: what the user gave in its place, or what it is called when it is built here."""
        return self._given.get(name) or self[name].reference

    def is_given(self, name: str) -> bool:
        """Whether the user gave an image in this one's place."""
        return bool(self._given.get(name))

    def missing(self, names: Iterable[str], present: Callable[[str], bool]) -> dict[str, PlannedImage]:
        """What has to be built for these names: those that are not there, and what they in turn are built on.

        Bases come before what is built on them.
        """
        unbuilt: dict[str, PlannedImage] = {}

        def visit(name: str) -> None:
            if name in unbuilt or self.is_given(name) or present(self.reference(name)):
                return
            for base in self[name].image.bases.values():
                visit(base)
            unbuilt[name] = self[name]

        for name in names:
            visit(name)
        return unbuilt
