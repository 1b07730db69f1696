"""Real daemons without containers.

The binary comes from the path that a variable such as KAPACITORD holds, or out of an image: the one that
KAPACITOR_IMAGE names, else the one that scripts/test-images builds. An image's binary may need a newer C library than
this machine has, so the image's own libraries and loader are taken along.
"""

import os
import platform
import re
import subprocess
import tarfile
from pathlib import Path

from daemons.images import built_image


class NoBinary(Exception):
    """There is nothing to test with; says what to do."""


def binary(program: str, component: str, directory: Path, *options: str) -> Path:
    """Copy a program out of one of our images into `directory`; `images/build.py` knows the component.

    Args:
        program: its name.
        component: the image.
        directory: where it goes.
        options: more words for `images/build.py`, which choose another image. No variable names that one's program.

    Raises:
        NoBinary: when there is no such image, or it cannot be read.
    """
    path_variable, image_variable = program.upper(), f"{component.upper()}_IMAGE"
    given = None if options else os.environ.get(path_variable)
    if given:
        return Path(given)
    image = (None if options else os.environ.get(image_variable)) or built_image(component, *options)
    try:
        return _extract(image, program, directory)
    except subprocess.CalledProcessError as error:
        raise NoBinary(
            f"the image '{image}' gives no {program}: {error.stderr.decode().strip()}. Fix: scripts/test-images, or "
            f"set {path_variable} to a {program}, or {image_variable} to another image that has one"
        ) from error


def _extract(image: str, program: str, directory: Path) -> Path:
    container = _docker("create", "--pull=never", image).decode().strip()
    try:
        _docker("cp", "-L", f"{container}:/usr/bin/{program}", str(directory / f"{program}.bin"))
        libraries = directory / "lib"
        archive = _docker("cp", f"{container}:/usr/lib/{platform.machine()}-linux-gnu", "-")
    finally:
        _docker("rm", "--volumes", container)
    path = directory / "libraries.tar"
    path.write_bytes(archive)
    with tarfile.open(path) as tar:
        for member in tar:
            name = Path(member.name).name
            if re.match(r"(ld-linux|lib(c|m|dl|rt|pthread|gcc_s|resolv|stdc\+\+)[.-])", name):
                member.name = name
                tar.extract(member, libraries, filter="data")
    path.unlink()
    (loader,) = libraries.glob("ld-linux-*")
    script = directory / program
    run = f'{loader} --library-path {libraries} {directory}/{program}.bin "$@"'
    script.write_text(f"#!/bin/sh\nexec {run}\n")
    script.chmod(0o755)
    return script


def _docker(*args: str) -> bytes:
    return subprocess.run(["docker", *args], check=True, capture_output=True).stdout
