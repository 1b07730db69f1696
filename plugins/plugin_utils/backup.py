"""Backups of a stack on the controller: assembling one archive, and checking one before anything is touched.

An archive holds the parts that the hosts wrote (module `backup_part`), the stack's secrets, its own authority with the
certificates of its hosts, and the inventory. What may hold a password or a key is encrypted with Ansible Vault:
`ansible-vault decrypt` opens it without this project. The format, for the archive and for each of its parts, is that of
module_utils/backup_archive.py.
"""

from __future__ import annotations

import io
import json
import os
import re
import shutil
import tempfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import IO, Any

from ansible.errors import AnsibleError
from ansible.parsing.vault import VaultLib, VaultSecret, get_file_vault_secret
from ansible_collections.influx_anomaly.stack.plugins.module_utils.backup_archive import (
    ArchiveError,
    ArchiveWriter,
    VanishedError,
    check,
    contents,
)
from ansible_collections.influx_anomaly.stack.plugins.plugin_utils.secret_files import PREVIOUS

SECRETS = "secrets.vault"
CERTIFICATES = "certificates.vault"
CERTIFICATES_FOLDER = "tls"
"""The folder, in that of the secrets, with the stack's authority and the certificates of its hosts."""
INVENTORY = "inventory.vault"
KIND = "influx-anomaly stack"
SHORTEST_PASSPHRASE = 12
# Parts whose files may hold a password or a token: handlers of alerts, data sources.
SENSITIVE = ("kapacitor", "grafana")
_STAMP = r"\d{8}T\d{6}Z"


class BackupError(Exception):
    """A backup that cannot be made or used; the message says why, and the fix."""


@dataclass(frozen=True)
class Part:
    """One host's share of a backup.

    Attributes:
        host: its name in the inventory.
        name: what it holds: `influxdb`, `kapacitor`, `detection` or `grafana`.
        path: the file on the controller.
    """

    host: str
    name: str
    path: Path


@dataclass(frozen=True)
class Checked:
    """An archive that passed every check.

    Attributes:
        about: what it is of: `stack`, `created`, `services` (name to version).
        parts: host to the names of its parts.
        secrets: name to value.
    """

    about: Mapping[str, Any]
    parts: Mapping[str, Sequence[str]]
    secrets: Mapping[str, str]


def load_passphrase(loader: Any, file: str) -> VaultLib:
    """Return what encrypts and decrypts with the passphrase of a file, as `--vault-password-file` takes it.

    Args:
        loader: Ansible's.
        file: path of the file, or of a program that prints the passphrase.

    Raises:
        BackupError: there is no usable passphrase.
    """
    if not file:
        raise BackupError(
            "backup_passphrase_file is empty: a backup holds the stack's secrets, which are never written unencrypted. "
            "Fix: -e backup_passphrase_file=FILE, with a passphrase that you keep a copy of elsewhere"
        )
    try:
        secret = get_file_vault_secret(filename=str(Path(file).expanduser().absolute()), loader=loader)
        secret.load()
    except AnsibleError as error:
        raise BackupError(
            f"backup_passphrase_file = {file} cannot be used: {error}. Fix: name a file with the passphrase"
        ) from None
    return vault(secret.bytes, file)


def check_folder(folder: Path) -> None:
    """Check, before a backup begins, that its archive can be written.

    Args:
        folder: where the archive is to lie. It need not exist.

    Raises:
        BackupError: nobody could write there.
    """
    folder = folder.expanduser().absolute()
    # Unlike pathlib's, this raises nothing for a folder that the user may not enter.
    present = next(path for path in (folder, *folder.parents) if os.path.exists(path))  # noqa: PTH110
    try:
        with tempfile.TemporaryFile(dir=present):
            pass
    except OSError as error:
        raise BackupError(
            f"backup_dir = {folder}: nothing can be written into {present}: {error.strerror}. Fix: name a folder that "
            "the user who runs Ansible may write to"
        ) from None


def check_keep(variable: str, keep: int) -> None:
    """Check the number of archives that stay. Raises BackupError if it is negative."""
    if keep < 0:
        raise BackupError(f"{variable} = {keep} is less than 0. Fix: how many archives stay, such as 7, or 0 for all")


def vault(passphrase: bytes, source: str) -> VaultLib:
    """Return what encrypts and decrypts with a passphrase.

    Args:
        passphrase: as the file has it.
        source: where it came from, for messages.

    Raises:
        BackupError: it is too short.
    """
    if len(passphrase.strip()) < SHORTEST_PASSPHRASE:
        raise BackupError(
            f"backup_passphrase_file = {source} has fewer than {SHORTEST_PASSPHRASE} characters. "
            "Fix: write a longer passphrase into it, and keep a copy away from the backups"
        )
    return VaultLib([("default", VaultSecret(passphrase.strip()))])


def member(part: Part) -> str:
    """Return a part's path in the archive."""
    return f"parts/{part.host}/{part.name}.part{'.vault' if part.name in SENSITIVE else ''}"


def archive_name(stack: str, stamp: str) -> str:
    """Return the name of an archive.

    Args:
        stack: the stack's name.
        stamp: the time of the backup in UTC, such as 20261129T211500Z.
    """
    return f"{stack}-{stamp}.tar"


def assemble(
    path: Path,
    parts: Iterable[Part],
    secrets: Mapping[str, str],
    certificates: Mapping[str, str],
    inventory: Mapping[str, Path],
    left_out: Sequence[Path],
    about: Mapping[str, Any],
    opener: VaultLib,
) -> int:
    """Write one archive, check it, and give it its name. The parts stay.

    Args:
        path: the archive; made with its folder for the user alone.
        parts: what the hosts wrote.
        secrets: the stack's secrets, name to value.
        certificates: the files of the stack's own authority, name to content; empty: it has none.
        inventory: name in the archive to a file or folder of the inventory.
        left_out: folders that are not part of the inventory, such as those of secrets and of backups.
        about: what the archive is of.
        opener: encrypts.

    Returns:
        The archive's size in bytes.

    Raises:
        BackupError: it could not be written.
    """
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    draft = path.with_name(f".{path.name}.partial")
    draft.unlink(missing_ok=True)
    try:
        with ArchiveWriter(draft) as writer:
            writer.add_bytes(SECRETS, opener.encrypt(json.dumps(dict(secrets), sort_keys=True).encode()))
            if certificates:
                content = json.dumps(dict(certificates), sort_keys=True).encode()
                writer.add_bytes(CERTIFICATES, opener.encrypt(content))
            writer.add_bytes(INVENTORY, opener.encrypt(pack_inventory(inventory, left_out, path.parent)))
            for part in parts:
                if part.name in SENSITIVE:
                    writer.add_bytes(member(part), opener.encrypt(part.path.read_bytes()))
                else:
                    writer.add_file(member(part), part.path)
            writer.finish({"kind": KIND, **about})
        read(draft, opener)
        size = draft.stat().st_size
        draft.replace(path)
    except (ArchiveError, VanishedError, OSError) as error:
        draft.unlink(missing_ok=True)
        raise BackupError(f"{path} could not be written: {error}") from None
    except BackupError:
        draft.unlink(missing_ok=True)
        raise
    return size


def pack_inventory(sources: Mapping[str, Path], left_out: Sequence[Path], scratch: Path) -> bytes:
    """Return an archive of the inventory's files, in the folder `inventory` of it.

    Args:
        sources: name in that folder to a file or folder; the name is empty for a folder that is all of the inventory.
        left_out: folders to leave out.
        scratch: a folder for the files meanwhile.
    """
    away = {folder.resolve() for folder in left_out}

    def unwanted(folder: str, names: list[str]) -> list[str]:
        return [name for name in names if name.startswith(".git") or (Path(folder) / name).resolve() in away]

    with tempfile.TemporaryDirectory(dir=scratch, prefix=".inventory-") as temporary:
        copy = Path(temporary) / "inventory"
        copy.mkdir()
        for name, source in sources.items():
            if source.is_dir():
                shutil.copytree(source, copy / name, ignore=unwanted, dirs_exist_ok=True, ignore_dangling_symlinks=True)
            elif source.is_file():
                shutil.copy2(source, copy / name)
        archive = Path(temporary) / "inventory.tar"
        with ArchiveWriter(archive) as writer:
            writer.add_tree("inventory", copy)
            writer.finish({})
        return archive.read_bytes()


def certificate_files(loader: Any, folder: Path) -> dict[str, str]:
    """Return the files of the stack's own authority, name to content; none if it has no authority.

    Args:
        loader: Ansible's, as a file may be encrypted with Ansible Vault.
        folder: where they lie.
    """
    if not (folder / "ca.key").is_file():
        return {}
    return {
        path.name: str(loader.get_text_file_contents(str(path)))
        for path in sorted(folder.iterdir())
        if _is_certificate_file(path.name)
    }


def inventory_sources(sources: Sequence[str]) -> dict[str, Path]:
    """Return what an inventory consists of, as name to path.

    Args:
        sources: what `-i` names. Lists of hosts (`a,b,`) have nothing to keep.
    """
    by_name: dict[str, Path] = {}
    paths = [Path(source) for source in sources if "," not in source]
    for path in paths:
        if path.is_dir():
            by_name["" if len(paths) == 1 else path.name] = path
        elif path.is_file():
            by_name[path.name] = path
            for name in ("group_vars", "host_vars"):
                if (path.parent / name).is_dir():
                    by_name[name] = path.parent / name
    return by_name


def read(path: Path, opener: VaultLib) -> Checked:
    """Check an archive as a whole: its own sums, the passphrase, and the format of each part.

    Args:
        path: the archive.
        opener: decrypts.

    Raises:
        BackupError: anything about it is wrong. Nothing was written.
    """
    manifest = _manifest(path)
    about = manifest["about"]
    if about.get("kind") != KIND or not isinstance(about.get("services"), dict):
        raise _unusable(path, "it is one part of a backup, or of something else")
    secrets: dict[str, str] | None = None
    parts: dict[str, list[str]] = {}
    for name, content in contents(path):
        if name == SECRETS:
            secrets = _secrets(path, decrypt(content.read(), opener, path))
        elif name == CERTIFICATES:
            _certificates(path, decrypt(content.read(), opener, path))
        elif name == INVENTORY:
            _check_part(path, name, io.BytesIO(decrypt(content.read(), opener, path)))
        else:
            part = _part(path, name)
            plain = io.BytesIO(decrypt(content.read(), opener, path)) if part.name in SENSITIVE else content
            _check_part(path, name, plain)
            parts.setdefault(part.host, []).append(part.name)
    if secrets is None:
        raise _unusable(path, f"it has no {SECRETS}")
    return Checked(about, parts, secrets)


def unpack_parts(path: Path, folder: Path, opener: VaultLib, wanted: Mapping[str, Mapping[str, str]]) -> None:
    """Write parts of an archive, decrypted, as `<folder>/<host>/<part>.part`, and its secrets as they are in it.

    Args:
        path: the archive, which `read` has passed.
        folder: where they go; removed first, and made for the user alone.
        opener: decrypts.
        wanted: host of the inventory to the name of each part that it gets, and to the host that wrote it.
    """
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True, mode=0o700)
    targets = {
        member(Part(origin, name, Path())): (host, name)
        for host, parts in wanted.items()
        for name, origin in parts.items()
    }
    for path_in_archive, content in contents(path):
        if path_in_archive in (SECRETS, CERTIFICATES):
            (folder / path_in_archive).write_bytes(content.read())
        elif path_in_archive in targets:
            host, name = targets[path_in_archive]
            (folder / host).mkdir(mode=0o700, exist_ok=True)
            with (folder / host / f"{name}.part").open("xb") as file:
                if name in SENSITIVE:
                    file.write(decrypt(content.read(), opener, path))
                else:
                    shutil.copyfileobj(content, file, 2**20)


def decrypt(content: bytes, opener: VaultLib, archive: Path) -> bytes:
    """Return the plain content of an encrypted file of an archive.

    Args:
        content: the encrypted one.
        opener: decrypts.
        archive: where it is from, for messages.

    Raises:
        BackupError: the passphrase is another one.
    """
    try:
        return bytes(opener.decrypt(content))
    except AnsibleError:
        raise BackupError(
            f"{archive} cannot be opened: backup_passphrase_file has another passphrase than the one that it was "
            "written with. Fix: name the file with that passphrase"
        ) from None


def match_hosts(
    archived: Mapping[str, Sequence[str]], wanted: Mapping[str, Sequence[str]]
) -> dict[str, dict[str, str]]:
    """Decide which host gets which part.

    A part goes to the host of its name. Where only one host wrote it and only one wants it, the names may differ: the
    stack moves to another host.

    Args:
        archived: host to its parts, of an archive.
        wanted: host of the inventory to the parts that it can take.

    Returns:
        Host of the inventory to the name of each part, and to the host that wrote it.

    Raises:
        BackupError: the names do not tell which host is which.
    """
    matched: dict[str, dict[str, str]] = {host: {} for host in wanted}
    for name in sorted({part for parts in archived.values() for part in parts}):
        sources = sorted(host for host, parts in archived.items() if name in parts)
        targets = sorted(host for host, parts in wanted.items() if name in parts)
        if not targets:
            continue
        if len(sources) == len(targets) == 1:
            matched[targets[0]][name] = sources[0]
        elif sources == targets:
            for host in targets:
                matched[host][name] = host
        else:
            raise BackupError(
                f"the archive has {name} of the hosts {', '.join(sources)}, the inventory has {', '.join(targets)}. "
                "Fix: give the hosts of the inventory the names that the archive has"
            )
    return matched


def lacking(archived: Mapping[str, Sequence[str]], wanted: Mapping[str, Sequence[str]]) -> list[str]:
    """Return what an archive does not have of what hosts have, such as `influxdb of localhost`.

    Args:
        archived: host to its parts, of the archive.
        wanted: host to the parts that it has.
    """
    return [
        f"{part} of {host}" for host, parts in wanted.items() for part in parts if part not in archived.get(host, ())
    ]


def problems(checked: Checked, stack: str, versions: Mapping[str, str], given: Mapping[str, Any]) -> list[str]:
    """Return why an archive does not fit what is to be deployed, one sentence each.

    Args:
        checked: the archive.
        stack: the stack's name.
        versions: service to the version that the inventory deploys.
        given: the secrets that the inventory gives.
    """
    sentences = []
    if checked.about["stack"] != stack:
        sentences.append(
            f"it is of the stack {checked.about['stack']!r}, and stack_name is {stack!r}. "
            f"Fix: name an archive of {stack!r}, or by -i the inventory of {checked.about['stack']!r}"
        )
    for service, version in sorted(checked.about["services"].items()):
        deployed = versions.get(service, "")
        if deployed and _numbers(version) > _numbers(deployed):
            sentences.append(
                f"{service} {version} wrote it, and {service}_version is {deployed}, which may not read what a newer "
                f"one wrote. Fix: {service}_version: {version}"
            )
    sentences.extend(
        f"secrets_given has another {name} than the archive, and the restored data need that of the archive. "
        f"Fix: put the old value into secrets_given, or take the entry out of it"
        for name, value in sorted(checked.secrets.items())
        if name in given and str(given[name]) != value
    )
    return sentences


def expired(folder: Path, stack: str, keep: int) -> list[Path]:
    """Return the archives of a stack beyond the newest `keep`, the oldest last.

    Args:
        folder: where archives lie.
        stack: the stack's name.
        keep: how many stay; 0 for all.
    """
    return [folder / name for name in expired_names([path.name for path in folder.iterdir()], stack, keep)]


def expired_names(names: Iterable[str], stack: str, keep: int) -> list[str]:
    """Return which of some files are archives of a stack beyond the newest `keep`, the oldest last.

    Args:
        names: the names of the files.
        stack: the stack's name.
        keep: how many stay; 0 for all.
    """
    pattern = re.compile(rf"{re.escape(stack)}-{_STAMP}\.tar")
    archives = sorted((name for name in names if pattern.fullmatch(name)), reverse=True)
    return archives[keep:] if keep else []


def fresh(folder: Path, stack: str, most_hours: float, now: datetime) -> Path:
    """Return the newest archive of a stack, which must not be too old.

    Args:
        folder: where archives lie.
        stack: the stack's name.
        most_hours: how old it may be.
        now: the time.

    Raises:
        BackupError: there is none, or it is too old.
    """
    pattern = re.compile(rf"{re.escape(stack)}-({_STAMP})\.tar")
    archives = [(match[1], path) for path in _files(folder) if (match := pattern.fullmatch(path.name))]
    fix = "Fix: run playbooks/backup.yml first"
    if not archives:
        raise BackupError(f"{folder} has no backup of the stack {stack!r}. {fix}, or name its folder as backup_dir")
    stamp, path = max(archives)
    age_h = (now - datetime.strptime(stamp, "%Y%m%dT%H%M%S%z")).total_seconds() / 3600
    if age_h > most_hours:
        raise BackupError(
            f"the newest backup of the stack {stack!r}, {path}, is {age_h:.1f} hours old, and upgrade_backup_hours is "
            f"{most_hours:g}. {fix}, or allow an older one"
        )
    return path


def _files(folder: Path) -> list[Path]:
    return list(folder.iterdir()) if folder.is_dir() else []


def write_secrets(folder: Path, unpacked: Path, opener: VaultLib, given: Iterable[str]) -> None:
    """Put restored secrets and certificates into a folder; the one that was there is kept with the suffix `.replaced`.

    The authority of the archive takes the place of one that is there, as the clients of the stack trust it.

    Args:
        folder: `secrets_dir`. Files of other names stay in it.
        unpacked: where `unpack_parts` put the archive's secrets.
        opener: decrypts.
        given: names of the secrets that the inventory gives, which are in no file.
    """
    content = _secrets(unpacked, decrypt((unpacked / SECRETS).read_bytes(), opener, unpacked))
    secrets = {name: value for name, value in content.items() if name not in given}
    former = folder.with_name(f"{folder.name}.replaced")
    fresh = folder.with_name(f".{folder.name}.restored")
    shutil.rmtree(fresh, ignore_errors=True)
    fresh.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    if folder.is_dir():
        # What a rotation kept is of the services that the restored ones replace.
        shutil.copytree(folder, fresh, ignore=shutil.ignore_patterns(PREVIOUS))
    else:
        fresh.mkdir(mode=0o700)
    for name, text in {".gitignore": "*", **secrets}.items():
        _replace(fresh / name, f"{text}\n")
    if (unpacked / CERTIFICATES).is_file():
        content = _certificates(unpacked, decrypt((unpacked / CERTIFICATES).read_bytes(), opener, unpacked))
        shutil.rmtree(fresh / CERTIFICATES_FOLDER, ignore_errors=True)
        (fresh / CERTIFICATES_FOLDER).mkdir(mode=0o700)
        for name, text in content.items():
            _replace(fresh / CERTIFICATES_FOLDER / name, text)
    if folder.is_dir():
        if former.exists():
            shutil.rmtree(folder)
        else:
            folder.rename(former)
    fresh.rename(folder)


def _replace(file: Path, text: str) -> None:
    file.unlink(missing_ok=True)
    file.touch(mode=0o600)
    file.write_text(text, encoding="utf-8")


def _unusable(archive: Path, reason: str) -> BackupError:
    """Return the error of an archive that cannot be used, with a fix unless the reason has one."""
    fix = "" if "Fix: " in reason else ". Fix: name a whole archive that playbooks/backup.yml wrote, or a copy of it"
    return BackupError(f"{archive} cannot be used: {reason}{fix}")


def _manifest(path: Path) -> dict[str, Any]:
    try:
        return check(path)
    except ArchiveError as error:
        raise _unusable(path, str(error)) from None


def _part(path: Path, name: str) -> Part:
    """Return the part that a path in an archive is of."""
    pieces = name.split("/")
    part = Part(pieces[1], pieces[2].partition(".part")[0], path) if len(pieces) == 3 else Part("", "", path)
    if member(part) != name:
        raise _unusable(path, f"{name!r} in it is not a part of a backup")
    return part


def _check_part(path: Path, name: str, content: IO[bytes]) -> None:
    try:
        check(content)
    except ArchiveError as error:
        raise _unusable(path, f"{name} in it: {error}") from None


def _secrets(path: Path, text: bytes) -> dict[str, str]:
    return _texts(path, SECRETS, text, lambda name: re.fullmatch(r"\w+", name) is not None)


def _certificates(path: Path, text: bytes) -> dict[str, str]:
    return _texts(path, CERTIFICATES, text, _is_certificate_file)


def _is_certificate_file(name: str) -> bool:
    """Return whether a name is that of a certificate or a key, which are files of one folder."""
    return re.fullmatch(r"[^./\0][^/\0]*\.(pem|key)", name) is not None


def _texts(path: Path, member: str, text: bytes, is_name: Callable[[str], bool]) -> dict[str, str]:
    """Return the names and texts that an encrypted file of an archive holds.

    Args:
        path: the archive, for messages.
        member: the file's name in it.
        text: its plain content.
        is_name: whether a name can be one of them.

    Raises:
        BackupError: it holds something else.
    """
    content = json.loads(text)
    if not isinstance(content, dict) or not all(isinstance(value, str) for value in content.values()):
        raise _unusable(path, f"{member} in it is not a list of names and texts")
    bad = [name for name in content if not is_name(name)]
    if bad:
        raise _unusable(path, f"{member} in it has the name {bad[0]!r}")
    return content


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(number) for number in re.findall(r"\d+", version)[:3])
