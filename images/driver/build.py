"""Building one image: its context, its build arguments, its check, its name."""

from __future__ import annotations

import fcntl
import os
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

from .checks import Unfit, check
from .context import context_archive
from .engine import Present, build_environment, docker, find, proxy_arguments
from .plan import PlannedImage
from .process import EVERY_SECONDS, Failed, clock, run_logged, say

LABEL = "influx-anomaly.image"
MACHINE_LOCKS = Path("/run/lock")


@dataclass(frozen=True)
class Sources:
    """Where a build gets packages from; none of it belongs to what an image is, and none of it stays in one."""

    ca_bundle: bytes = b""
    ca_bundle_path: str = ""
    apt_mirror: str = ""
    pip_index: str = ""
    goproxy: str = ""
    gosumdb: str = ""
    cargo_registry: str = ""
    npm_registry: str = ""

    def arguments(self) -> list[str]:
        """As build arguments, those that are set."""
        values = {
            "APT_MIRROR": self.apt_mirror,
            "PIP_INDEX_URL": self.pip_index,
            "GOPROXY": self.goproxy,
            "GOSUMDB": self.gosumdb,
            "CARGO_REGISTRY": self.cargo_registry,
            "NPM_REGISTRY": self.npm_registry,
        }
        return [word for name, value in values.items() if value for word in ("--build-arg", f"{name}={value}")]


@dataclass(frozen=True)
class Builder:
    """Builds what a plan misses."""

    sources: Sources
    log_dir: Path
    repository: Path
    labels: dict[str, str] = field(default_factory=dict)

    def build(self, planned: PlannedImage) -> bool:
        """Builds, checks and names an image; returns whether it did, which it doesn't if another did meanwhile.

        Raises:
            Failed: the build failed.
            Unfit: it did what it should, but the image does not.
        """
        name, reference = planned.image.name, planned.reference
        with self._only_one(planned):
            if find(reference):
                return False
            log = self._log(planned)
            started = time.monotonic()
            say(f"{name}: building {reference}  ({log})")
            # Under its own name there is never an image that did not pass.
            unchecked = f"{reference}-unchecked"
            try:
                if name == "debian":
                    self._bootstrap(planned, unchecked, log)
                else:
                    self._docker_build(planned, ["--tag", unchecked], log)
                check(planned.image, unchecked)
                docker("tag", unchecked, reference)
            except Unfit as problem:
                raise Unfit(f"{name} was built ({log}) but is no good: {problem}") from None
            finally:
                if find(unchecked):
                    docker("image", "rm", unchecked)
            say(f"{name}: done in {clock(time.monotonic() - started)}")
            return True

    def build_early_stage(self, planned: PlannedImage) -> None:
        """Builds the stage that doesn't need all bases, into the engine's build cache."""
        image = planned.image
        with self._only_one(planned):
            log = self._log(planned, image.early_stage)
            started = time.monotonic()
            say(f"{image.name}: building its stage '{image.early_stage}'  ({log})")
            self._docker_build(planned, ["--target", image.early_stage], log)
            say(f"{image.name}: stage '{image.early_stage}' done in {clock(time.monotonic() - started)}")

    def _docker_build(self, planned: PlannedImage, options: Sequence[str], log: Path) -> None:
        image = planned.image
        command = ["docker", "build", *options, *self.sources.arguments(), *proxy_arguments()]
        for argument, value in {**image.arguments, **planned.bases}.items():
            command += ["--build-arg", f"{argument}={value}"]
        for label, value in self._labels(planned).items():
            command += ["--label", f"{label}={value}"]
        run_logged(
            image.name,
            [*command, "-"],
            log,
            input=context_archive(planned.files, self.sources.ca_bundle),
            environment=build_environment(),
        )

    def _bootstrap(self, planned: PlannedImage, reference: str, log: Path) -> None:
        command = [str(self.repository / "images/debian/build.sh"), "--tag", reference]
        for label, value in self._labels(planned).items():
            command += ["--label", f"{label}={value}"]
        if self.sources.apt_mirror:
            mirror = self.sources.apt_mirror.rstrip("/")
            command += ["--mirror", mirror, "--security-mirror", f"{mirror}-security"]
        if self.sources.ca_bundle_path:
            command += ["--ca-bundle", self.sources.ca_bundle_path]
        if os.geteuid() != 0:
            command = ["sudo", "--non-interactive", *command]
        run_logged(planned.image.name, command, log)

    def _labels(self, planned: PlannedImage) -> dict[str, str]:
        image = planned.image
        return {
            "org.opencontainers.image.title": image.title,
            "org.opencontainers.image.version": image.version,
            **self.labels,
            LABEL: image.name,
        }

    def _log(self, planned: PlannedImage, stage: str = "") -> Path:
        self.log_dir.mkdir(parents=True, exist_ok=True)
        name = planned.reference.rpartition("/")[2].replace(":", "-")
        return self.log_dir / f"{name}{'-' + stage if stage else ''}.log"

    def _lock_file(self, planned: PlannedImage) -> IO[str]:
        """Opens what runs of the driver lock on: one file a machine, as several stacks may share an engine."""
        name = self._log(planned).with_suffix(".lock").name
        try:
            return (MACHINE_LOCKS / f"influx-anomaly-{name}").open("w")
        except OSError:  # no such folder, or the file of another user
            return (self.log_dir / name).open("w")

    @contextmanager
    def _only_one(self, planned: PlannedImage) -> Iterator[None]:
        """Waits while another run of the driver builds the same image."""
        with self._lock_file(planned) as lock:
            started = told = time.monotonic()
            while True:
                try:
                    fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    break
                except BlockingIOError:
                    now = time.monotonic()
                    if now - told >= EVERY_SECONDS:
                        say(f"{planned.image.name}: {clock(now - started)}  another run is building it")
                        told = now
                    time.sleep(0.2)
            yield


def revision(repository: Path) -> str:
    """The commit that the files are from, if git can tell."""
    try:
        result = subprocess.run(
            ["git", "-C", str(repository), "describe", "--always", "--abbrev=40", "--dirty", "--exclude=*"],
            capture_output=True,
            text=True,
            check=False,
        )
    except FileNotFoundError:
        return ""
    return result.stdout.strip() if result.returncode == 0 else ""


__all__ = ["Builder", "Failed", "Present", "Sources", "Unfit", "revision"]
