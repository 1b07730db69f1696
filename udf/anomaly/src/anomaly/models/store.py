"""Models on disk: versions, the current one, and never a half-written one.

    <models>/<pipeline>/<version>/manifest.json   what the model is, and the SHA-256 of each file beside it
                                  model.npz       plain arrays: what serving loads, never with pickle
                                  model.joblib    scikit-learn's own object, for people; never loaded here
    <models>/<pipeline>/current -> <version>      switched atomically
    <models>/<pipeline>/shadow -> <version>       a candidate that scores beside it; only while there is one
    <models>/<pipeline>/feedback.json             marks of feedback (`anomaly.scoring.feedback_file`)
    <models>/<pipeline>/promotions.json           versions in the order they became current, for rollback

A version is written into a hidden directory beside it, flushed to disk, and renamed: it is there as a whole or not at
all.

Trainings, the console and people at a command line may change a pipeline's folder at the same time, each in a container
of its own. So each change holds a lock on the folder (`exclusive`), from what it reads until what it writes. Readers
need no lock, as they see either the old link or file, or the new one. A training names the version that it compared its
own with, and replaces no other.
"""

import errno
import fcntl
import hashlib
import io
import json
import os
import secrets
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from anomaly.models.features import features
from anomaly.models.manifest import Manifest, StoredFile, TrainingRecord
from anomaly.models.model import Model
from anomaly.pipeline import Pipeline
from anomaly.windows.arrays import DAMAGE

CURRENT = "current"
SHADOW = "shadow"
# Stands for any version, and for none; it cannot be a version's name.
ANY = "*"
_MANIFEST = "manifest.json"
_ARRAYS = "model.npz"
_PROMOTIONS = "promotions.json"
_HIDDEN = ".new-"
# A change takes milliseconds. Who waits longer than this for others is told.
_LOCK_SECONDS = 30.0
_LOCK_POLL_SECONDS = 0.05


class StoreError(Exception):
    """The models directory cannot be read or written, or a version is damaged; the message says what to do."""


class CurrentChanged(StoreError):
    """Another version became current than the one that was to be replaced; the message names both."""


class ModelMismatch(StoreError):
    """A model that was made for something else; the message names the difference."""


class ModelOutdated(ModelMismatch):
    """A model that another release made, whose features or scores this program computes otherwise."""


@dataclass(frozen=True, slots=True)
class Version:
    """One stored version.

    Attributes:
        name: its name.
        current: whether it is the current version.
        shadow: whether it scores beside the current version.
        manifest: its manifest; empty where that is damaged.
        problem: why this program cannot use it; None if it can.
    """

    name: str
    current: bool
    shadow: bool
    manifest: Manifest
    problem: str | None


class Store:
    """The versions of one pipeline's model."""

    def __init__(self, models: Path | str, pipeline: str) -> None:
        self.models = Path(models)
        self.pipeline = pipeline
        self.path = self.models / pipeline
        # The sum of the arrays that were summed up last, with what tells that file from a changed one.
        self._summed: tuple[tuple[Path, int, int, int], str] | None = None

    def current(self) -> str | None:
        """Return the current version's name; None when there is none."""
        return self.linked(CURRENT)

    def shadow(self) -> str | None:
        """Return the name of the version that scores beside the current one; None when there is none."""
        return self.linked(SHADOW)

    def linked(self, link: str) -> str | None:
        """Return the version that a link (CURRENT or SHADOW) points to; None without the link."""
        try:
            return str((self.path / link).readlink())
        except FileNotFoundError:
            return None
        except OSError as error:
            raise store_error("read", self.path / link, error) from error

    def versions(self) -> list[Version]:
        """Return all versions, oldest first."""
        current, shadow = self.current(), self.shadow()
        try:
            names = sorted(
                entry.name for entry in self.path.iterdir() if (entry / _MANIFEST).is_file() and not entry.is_symlink()
            )
        except FileNotFoundError:
            return []
        except OSError as error:
            raise store_error("read", self.path, error) from error
        visible = [name for name in names if not name.startswith(".")]
        return [Version(name, name == current, name == shadow, *self._manifest_or_problem(name)) for name in visible]

    def _manifest_or_problem(self, version: str) -> tuple[Manifest, str | None]:
        try:
            manifest = self.manifest(version)
        except StoreError as error:
            return Manifest(), str(error)
        return manifest, manifest.outdated()

    def manifest(self, version: str) -> Manifest:
        """Return a version's manifest, whatever program wrote it. Raises StoreError if it is missing or damaged."""
        path = self._version(version) / _MANIFEST
        try:
            content = json.loads(path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            raise StoreError(
                f"{path} is not there: {self.pipeline} has no version {version}; `anomaly models list` shows what "
                "there is"
            ) from None
        except OSError as error:
            raise store_error("read", path, error) from error
        except ValueError as error:
            raise StoreError(f"{path} is damaged ({error}): train again, or promote another version") from None
        if not isinstance(content, dict):
            raise StoreError(f"{path} is damaged (no object): train again, or promote another version")
        try:
            return Manifest.from_json(content)
        except (ArithmeticError, AttributeError, TypeError, ValueError) as error:
            raise StoreError(f"{path} is damaged ({error}): train again, or promote another version") from None

    def _usable(self, version: str) -> None:
        """Raises StoreError when this program cannot use a version."""
        problem = self.manifest(version).outdated()
        if problem is not None:
            raise ModelOutdated(f"model {self.pipeline}/{version} cannot be used: {problem}: train again")

    def check(self, version: str, pipeline: Pipeline) -> Manifest:
        """Return the manifest of a version that fits the pipeline.

        Raises:
            ModelOutdated: another release made it.
            ModelMismatch: it was made for something else; the message names the differences.
        """
        manifest = self.manifest(version)
        problem = manifest.misfit(pipeline)
        if problem is not None:
            error = ModelMismatch if manifest.outdated() is None else ModelOutdated
            raise error(f"model {self.pipeline}/{version} does not fit the pipeline: {problem}: train again")
        if manifest.version != version:
            raise ModelMismatch(
                f"model {self.pipeline}/{version} says that it is version {manifest.version!r}: its "
                "directory was renamed; rename it back, or train again"
            )
        names = [feature.name for feature in features(pipeline)]
        stored = None if manifest.features is None else list(manifest.features)
        if stored != names:
            raise ModelOutdated(
                f"model {self.pipeline}/{version} does not fit the pipeline: features {stored} "
                "in the model, "
                f"{names} in this program: train again"
            )
        return manifest

    def check_arrays(self, version: str, pipeline: Pipeline) -> Manifest:
        """Return the manifest of a version that fits the pipeline, and whose arrays are as they were written.

        The arrays are read again only when their file has changed since this store read them last.

        Raises:
            StoreError: the version is damaged.
            ModelMismatch: it was made for something else.
        """
        manifest = self.check(version, pipeline)
        path = self._version(version) / _ARRAYS
        try:
            _compare(path, manifest, self._sum(path))
        except FileNotFoundError as error:
            raise StoreError(f"{path} is missing: train again, or promote another version") from error
        except OSError as error:
            raise store_error("read", path, error) from error
        return manifest

    def _sum(self, path: Path) -> str:
        """Return the SHA-256 of a file, which is read only when it has changed."""
        status = path.stat()
        signature = path, status.st_mtime_ns, status.st_ino, status.st_size
        if self._summed is None or self._summed[0] != signature:
            with path.open("rb") as file:
                self._summed = signature, hashlib.file_digest(file, "sha256").hexdigest()
        return self._summed[1]

    def load(self, version: str, pipeline: Pipeline) -> Model:
        """Load the model of a version, and verify it.

        Raises:
            StoreError: the version is damaged.
            ModelMismatch: it was made for something else.
        """
        manifest = self.check(version, pipeline)
        path = self._version(version) / _ARRAYS
        try:
            # The file of thousands of series is large, so it is never in memory as a whole.
            with path.open("rb") as file:
                _compare(path, manifest, hashlib.file_digest(file, "sha256").hexdigest())
                file.seek(0)
                try:
                    with np.load(file, allow_pickle=False) as archive:
                        arrays = {name: archive[name] for name in archive.files}
                    model = Model.from_arrays(version, pipeline, manifest.known_series(), arrays)
                    model.rehearse()
                except DAMAGE as error:
                    raise StoreError(
                        f"{path} is damaged ({error or type(error).__name__}): train again, or promote another version"
                    ) from error
        except OSError as error:
            raise store_error("read", path, error) from error
        model.learned = frozenset(manifest.feedback.learned)
        model.trained_until = manifest.range.end
        return model

    def write(self, model: Model, record: TrainingRecord | None = None, estimator: object = None) -> Path:
        """Store a version, which does not become current yet.

        Args:
            model: the version's model.
            record: what training says of it; None: nothing.
            estimator: the library's own object, for people; None: there is none.

        Returns:
            The version's directory.

        Raises:
            StoreError: the version cannot be written; then nothing is left behind.
        """
        buffer = io.BytesIO()
        np.savez_compressed(buffer, allow_pickle=False, **model.arrays())
        files = {_ARRAYS: buffer.getvalue()}
        if estimator is not None:
            # Training only: joblib is not part of serving.
            import joblib

            pickled = io.BytesIO()
            joblib.dump(estimator, pickled, compress=3)
            files["model.joblib"] = pickled.getvalue()
        manifest = Manifest.described(
            model.version,
            model.pipeline,
            [feature.name for feature in features(model.pipeline)],
            model.scaling.keys,
            record or TrainingRecord(),
            {name: StoredFile(hashlib.sha256(data).hexdigest(), len(data)) for name, data in files.items()},
        )
        files[_MANIFEST] = (json.dumps(manifest.to_json(), indent=2, ensure_ascii=False) + "\n").encode()
        target = self._version(model.version)
        with self._writing(target):
            _make_directory(self.path)
            if target.exists():
                raise StoreError(f"{target} is already there: versions are never overwritten; train again")
            hidden = Path(tempfile.mkdtemp(prefix=_HIDDEN, dir=self.path))
            try:
                for name, data in files.items():
                    _write_file(hidden / name, data)
                # The UDF runs under another user than training.
                hidden.chmod(0o755)
                _flush_directory(hidden)
                hidden.rename(target)
                _flush_directory(self.path)
            except BaseException:
                shutil.rmtree(hidden, ignore_errors=True)
                raise
        return target

    def verify(self, version: str) -> list[str]:
        """Compare a version's files with its manifest.

        Returns:
            One sentence for each file that is missing, damaged or unknown to the manifest.

        Raises:
            StoreError: the manifest cannot be read.
        """
        directory = self._version(version)
        expected = self.manifest(version).files
        problems = []
        for name, file in expected.items():
            try:
                checksum = hashlib.sha256((directory / name).read_bytes()).hexdigest()
            except FileNotFoundError:
                problems.append(f"{directory / name} is missing")
                continue
            except OSError as error:
                raise store_error("read", directory / name, error) from error
            if checksum != file.sha256:
                problems.append(
                    f"{directory / name} is damaged: its SHA-256 is {checksum}, its manifest says {file.sha256}"
                )
        strangers = {entry.name for entry in directory.iterdir()} - {_MANIFEST, *expected}
        return problems + [f"{directory / name} is not in the manifest" for name in sorted(strangers)]

    def promote(self, version: str, *, replaced: str | None = ANY) -> None:
        """Make a version current, atomically; running UDFs notice within a second.

        Args:
            version: the version.
            replaced: the version that has to be current until then, None if there is none; ANY: whatever is.

        Raises:
            CurrentChanged: another version is current by now.
            StoreError: the version is not there or cannot be used, or the folder cannot be written.
        """
        self._usable(version)
        with exclusive(self.path):
            # It may have been pruned meanwhile.
            self._usable(version)
            self._expect(replaced)
            history = self._promotions()
            if history[-1:] != [version]:
                history.append(version)
            self._switch(version, history)

    def set_shadow(self, version: str | None) -> None:
        """Have a version score beside the current one; None: have none. Raises StoreError."""
        if version is not None:
            self._usable(version)
        with self._writing(self.path / SHADOW), exclusive(self.path):
            if version is None:
                (self.path / SHADOW).unlink(missing_ok=True)
            else:
                self._usable(version)
                if version == self.current():
                    raise StoreError(
                        f"{version} is the current version: it would be compared with itself; name another"
                    )
                self._link(SHADOW, version)
            _flush_directory(self.path)

    def rollback(self, *, replaced: str | None = ANY) -> str:
        """Make the version current that was current before, and return its name.

        Args:
            replaced: as for `promote`.

        Raises:
            CurrentChanged: another version is current by now.
            StoreError: there is no such version that this program can use.
        """
        with exclusive(self.path):
            self._expect(replaced)
            version, history = self._way_back()
            if version is not None:
                self._switch(version, [*history, version])
                return version
        raise StoreError(
            f"{self.path}: no earlier version is left to roll back to; `anomaly models list` shows what there is"
        )

    def before(self) -> str | None:
        """Return the version that `rollback` would make current; None if there is none."""
        return self._way_back()[0]

    def prune(self, keep: int) -> list[str]:
        """Remove old versions, and return their names.

        The current version, its parent, the shadow and the version that `rollback` would take always stay.

        Args:
            keep: the number of the newest versions that stay, too.
        """
        with self._writing(self.path):
            with exclusive(self.path):
                versions = self.versions()
                current = self.current()
                before = next((name for name in reversed(self._promotions()) if name != current), None)
                parents = [version.manifest.parent for version in versions if version.current]
                needed = {current, before, self.shadow(), *parents}
                oldest = versions[: max(0, len(versions) - keep)]
                removed = [version.name for version in oldest if version.name not in needed]
                # Renamed first: a half-removed version must not look like one.
                hidden = [self.path / f"{_HIDDEN}removed-{name}" for name in removed]
                for name, path in zip(removed, hidden, strict=True):
                    (self.path / name).rename(path)
            for path in hidden:
                shutil.rmtree(path)
        return removed

    def _expect(self, version: str | None) -> None:
        """Raise CurrentChanged unless a version is the current one; ANY is."""
        current = self.current()
        if version not in (ANY, current):
            raise CurrentChanged(
                f"{current or 'no version'} of {self.pipeline} is current by now, and no longer "
                f"{version or 'none'}: look at it, and decide again"
            )

    def _way_back(self) -> tuple[str | None, list[str]]:
        """Return the version to roll back to, None without one, and the history before it."""
        current = self.current()
        history = self._promotions()
        there = {version.name for version in self.versions() if version.problem is None}
        while history:
            version = history.pop()
            if version != current and version in there:
                return version, history
        return None, []

    def _switch(self, version: str, history: list[str]) -> None:
        with self._writing(self.path / CURRENT):
            self._link(CURRENT, version)
            if self.shadow() == version:
                # The shadow has become the version that it was compared with.
                (self.path / SHADOW).unlink()
            replace_file(self.path / _PROMOTIONS, (json.dumps(history[-100:], indent=2) + "\n").encode())

    def _link(self, name: str, version: str) -> None:
        link = _hidden(self.path / name)
        link.symlink_to(version)
        link.replace(self.path / name)

    def _promotions(self) -> list[str]:
        try:
            history = json.loads((self.path / _PROMOTIONS).read_text(encoding="utf-8"))
        except FileNotFoundError:
            return []
        except (OSError, ValueError) as error:
            raise StoreError(
                f"{self.path / _PROMOTIONS} cannot be read ({error}): remove it, and rollback forgets what was before"
            ) from error
        return [str(version) for version in history]

    def _version(self, version: str) -> Path:
        # A version is a name, never a way out of the directory.
        if not version or version in (".", "..", CURRENT, SHADOW) or "/" in version or version.startswith("."):
            raise StoreError(
                f"{version!r} is not a version of {self.pipeline}: `anomaly models list` shows what there is"
            )
        return self.path / version

    @contextmanager
    def _writing(self, path: Path) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise store_error("write", path, error) from error


def pipelines(models: Path | str) -> list[str]:
    """The names of all pipelines that have a directory below `models`."""
    try:
        return sorted(
            entry.name for entry in Path(models).iterdir() if entry.is_dir() and not entry.name.startswith(".")
        )
    except FileNotFoundError:
        return []
    except OSError as error:
        raise store_error("read", Path(models), error) from error


@contextmanager
def exclusive(folder: Path) -> Iterator[None]:
    """Keep others from changing a pipeline's folder; readers go on. The lock ends with the process that holds it.

    Args:
        folder: the folder, which is made if it is not there.

    Raises:
        StoreError: the folder cannot be locked, or somebody else holds the lock for long.
    """
    try:
        _make_directory(folder)
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    except OSError as error:
        raise store_error("write", folder, error) from error
    try:
        until = time.monotonic() + _LOCK_SECONDS
        while True:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() >= until:
                    raise StoreError(
                        f"{folder} has been locked by another program for {_LOCK_SECONDS:g} seconds: try again later"
                    ) from None
            except OSError as error:
                raise store_error("lock", folder, error) from error
            time.sleep(_LOCK_POLL_SECONDS)
        yield
    finally:
        os.close(descriptor)


def _hidden(path: Path) -> Path:
    """Return where something is made that becomes `path`. Processes of several containers may have the same number."""
    return path.with_name(f"{_HIDDEN}{path.name}-{secrets.token_hex(8)}")


def replace_file(path: Path, data: bytes) -> None:
    """Writes a file so that readers see either the old one or the new one. Raises StoreError."""
    hidden = _hidden(path)
    try:
        _make_directory(path.parent)
        _write_file(hidden, data)
        hidden.replace(path)
        _flush_directory(path.parent)
    except OSError as error:
        raise store_error("write", path, error) from error


def _compare(path: Path, manifest: Manifest, checksum: str) -> None:
    """Raise StoreError unless the SHA-256 of a version's arrays is what its manifest says."""
    expected = manifest.files[path.name].sha256 if path.name in manifest.files else None
    if checksum != expected:
        raise StoreError(
            f"{path} is damaged: its SHA-256 is {checksum}, its manifest says {expected}: train again, or promote "
            "another version"
        )


def store_error(verb: str, path: Path, error: OSError) -> StoreError:
    """What to do about an error of the operating system. verb: read, write or lock."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        fix = "free some space, or remove old versions with `anomaly models prune`"
    elif error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        fix = f"user {os.getuid()} needs to {verb} it: check the directory's owner and how it is mounted"
    else:
        fix = "check --models"
    return StoreError(f"cannot {verb} {path}: {error.strerror or error}: {fix}")


def _make_directory(path: Path) -> None:
    """Make the directory of a pipeline, in which the group may switch versions, as the console does."""
    try:
        path.mkdir(parents=True)
    except FileExistsError:
        return
    # The mode that mkdir takes is what the process's umask leaves of it.
    path.chmod(0o775)


def _write_file(path: Path, data: bytes) -> None:
    with path.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    path.chmod(0o644)


def _flush_directory(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
