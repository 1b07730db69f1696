"""A bill of materials (SBOM) of an image, in CycloneDX: Debian's packages, Python's distributions, and Go's modules.

They are read out of the image itself: the status files of dpkg, the metadata of distributions, and what the Go linker
writes into each program (`debug/buildinfo`). So nothing has to be told what an image was made of, and an image that was
pulled has a bill as well.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime
from email.parser import HeaderParser
from pathlib import Path
from uuid import NAMESPACE_URL, uuid5

from ansible_collections.influx_anomaly.stack.plugins.plugin_utils.image_archive import (
    ImageFile,
    image_config,
    image_files,
)
from cyclonedx.model.bom import Bom, BomMetaData
from cyclonedx.model.component import Component, ComponentType
from cyclonedx.output.json import JsonV1Dot6
from packageurl import PackageURL

_GO_MAGIC = b"\xff Go buildinf:"
# Behind the magic, the pointer's size and the flags; strings follow from here on, if the flag says so.
_GO_STRINGS, _GO_INLINE = 32, 2
# Around the text of the modules, whatever is in it.
_GO_MARK = 16


def bill(name: str, version: str, archive: Path) -> str:
    """Return the bill of the image in an archive as JSON, which two calls return alike.

    Args:
        name: the image's name.
        version: its tag.
        archive: the file of `docker save`.

    Raises:
        ImageArchiveError: the file is not an archive of an image.
        OSError: the file cannot be read.
    """
    by_text = {url.to_string(): url for url in urls(image_files(archive))}
    image = Component(name=name, version=version, type=ComponentType.CONTAINER, bom_ref=f"{name}:{version}")
    parts = [
        Component(name=_full_name(url), version=url.version, purl=url, bom_ref=text, type=ComponentType.LIBRARY)
        for text, url in sorted(by_text.items())
    ]
    created = datetime.fromisoformat(str(image_config(archive)["created"]))
    # The number follows from the content, so that a bill that is written again is the same file.
    number = uuid5(NAMESPACE_URL, "\n".join([name, version, *sorted(by_text)]))
    bom = Bom(components=parts, serial_number=number, metadata=BomMetaData(component=image, timestamp=created))
    bom.register_dependency(image, parts)
    return JsonV1Dot6(bom).output_as_string(indent=2) + "\n"


def _full_name(url: PackageURL) -> str:
    return f"{url.namespace}/{url.name}" if url.type == "golang" and url.namespace else url.name


def urls(files: Iterable[ImageFile]) -> Iterator[PackageURL]:
    """Yield the package URL of everything that files say is installed."""
    for file in files:
        if file.path == "var/lib/dpkg/status" or file.path.startswith("var/lib/dpkg/status.d/"):
            yield from _debian(file.read().decode())
        elif file.path.endswith(".dist-info/METADATA"):
            headers = HeaderParser().parsestr(file.read().decode())
            yield PackageURL("pypi", name=headers["Name"].lower().replace("_", "-"), version=headers["Version"])
        elif file.mode & 0o111 and "/bin/" in f"/{file.path}":
            yield from go_modules(file.read())


def _debian(status: str) -> Iterator[PackageURL]:
    for paragraph in status.split("\n\n"):
        headers = HeaderParser().parsestr(paragraph.lstrip("\n"))
        if headers["Package"] and (headers["Status"] or "installed").endswith("installed"):
            arch = {"arch": headers["Architecture"]} if headers["Architecture"] else None
            yield PackageURL("deb", "debian", headers["Package"], headers["Version"], arch)


def go_modules(program: bytes) -> Iterator[PackageURL]:
    """Yield Go itself and the modules that a program was linked from; nothing for another program."""
    at = program.find(_GO_MAGIC)
    if at < 0 or not program[at + len(_GO_MAGIC) + 1] & _GO_INLINE:
        return
    go, end = _string(program, at + _GO_STRINGS)
    modules, _ = _string(program, end)
    yield PackageURL("golang", name="stdlib", version=go.decode().removeprefix("go"))
    lines = [line.split("\t") for line in modules[_GO_MARK:-_GO_MARK].decode(errors="replace").splitlines()]
    for number, (kind, *words) in enumerate(lines):
        following = lines[number + 1][0] if number + 1 < len(lines) else ""
        # What takes the place of a module is named behind it.
        if kind in ("dep", "=>") and len(words) >= 2 and following != "=>":
            namespace, _, base = words[0].rpartition("/")
            yield PackageURL("golang", namespace or None, base, words[1] or None)


def _string(data: bytes, at: int) -> tuple[bytes, int]:
    """Return the string at a position, which begins with its length as a varint, and where it ends."""
    length = shift = 0
    while True:
        byte = data[at]
        at += 1
        length |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:
            return data[at : at + length], at + length
