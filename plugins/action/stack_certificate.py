"""Action plugin: a host's certificate, made or renewed on the controller, or given.

The stack's authority and the certificates of its hosts lie beside the secrets, and belong to the user who runs Ansible.
Several hosts may run this at the same time: a lock keeps them from making two authorities.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from ansible.errors import AnsibleActionFail
from ansible.plugins.action import ActionBase
from ansible_collections.influx_anomaly.stack.plugins.plugin_utils import certificates, secret_files
from ansible_collections.influx_anomaly.stack.plugins.plugin_utils.certificates import Pair

_GIVEN = ("stack_tls_certificate", "stack_tls_key", "stack_tls_ca")
_OPTIONS = {
    "folder": {"type": "str", "required": True},
    "stack": {"type": "str", "required": True},
    "host": {"type": "str", "required": True},
    "names": {"type": "list", "elements": "str", "required": True},
    "more_names": {"type": "list", "elements": "str", "default": []},
    "days": {"type": "int", "required": True},
    "renew_days": {"type": "int", "required": True},
    **{name: {"type": "str", "default": ""} for name in _GIVEN},
}


class ActionModule(ActionBase):  # type: ignore[misc]
    """Takes `folder`, `stack`, `host`, `names`, `more_names`, `days`, `renew_days` and the paths of given files.

    `names` are those that the stack's own clients use, which a given certificate must have; a made one has
    `more_names`, too. Returns `certificate`, `key` and `ca` (PEM), `days_left`, and `reason`: why a new certificate was
    made, empty if none was. In check mode nothing is written, and a certificate that is due is a throw-away one.
    """

    TRANSFERS_FILES = False
    _requires_connection = False
    _supports_check_mode = True

    def run(self, tmp: Any = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Read the certificate, after making or renewing it."""
        result: dict[str, Any] = super().run(tmp, task_vars)
        _, options = self.validate_argument_spec(_OPTIONS)
        now = datetime.now(UTC)
        names = [name for name in options["names"] if name]
        if any(options[name] for name in _GIVEN):
            pair, authorities = self._given(options, names, now)
            result["reason"] = ""
        else:
            names += [name for name in options["more_names"] if name]
            try:
                with _locked(Path(options["folder"]), is_dry=self._task.check_mode):
                    pair, authorities, result["reason"] = self._made(options, names, now)
            except OSError as error:
                raise AnsibleActionFail(
                    f"secrets_dir holds the certificates, and {error.filename or options['folder']} cannot be written: "
                    f"{error.strerror}. Fix: make it writable for the user who runs Ansible, or set secrets_dir to "
                    "another folder"
                ) from None
        result |= {"certificate": pair.certificate, "key": pair.key, "ca": authorities}
        result["days_left"] = int(certificates.days_left(pair.certificate, now))
        result["changed"] = bool(result["reason"])
        return result

    def _given(self, options: Mapping[str, Any], names: list[str], now: datetime) -> tuple[Pair, str]:
        """Return the given certificate and its authorities.

        Raises:
            AnsibleActionFail: a file is missing or not given, or clients would not trust the certificate.
        """
        for name in _GIVEN:
            if not options[name]:
                raise AnsibleActionFail(
                    f"{name} is empty for {options['host']}, and another file of its certificate is given. "
                    f"Fix: set {', '.join(_GIVEN)}, or none of them"
                )
        try:
            # Through Ansible's loader, as the files may be encrypted with Ansible Vault.
            read = {name: str(self._loader.get_text_file_contents(options[name])) for name in _GIVEN}
        except Exception as error:
            raise AnsibleActionFail(
                f"a file of the certificate of {options['host']} cannot be read: {' '.join(str(error).split())}. "
                f"Fix: {', '.join(_GIVEN)} are paths on the controller"
            ) from None
        certificate, key, authorities = (read[name] for name in _GIVEN)
        pair = Pair(certificate, key)
        flaw = certificates.flaw(pair, authorities, names)
        if not flaw and (left := certificates.days_left(certificate, now)) <= 0:
            flaw = f"ended {-left:.0f} days ago"
        if flaw:
            raise AnsibleActionFail(
                f"stack_tls_certificate = {options['stack_tls_certificate']} of {options['host']} {flaw}. Fix: give "
                "another certificate, key or authority, or leave all three empty to have them made"
            )
        return pair, authorities

    def _made(self, options: Mapping[str, Any], names: list[str], now: datetime) -> tuple[Pair, str, str]:
        """Return the host's certificate, the authorities that clients trust, and why it was made anew."""
        folder = Path(options["folder"])
        authority, authorities = self._authority(folder, options, now)
        files = (folder / f"{options['host']}.pem", folder / f"{options['host']}.key")
        pair, reason = Pair("", ""), "there is none"
        if all(file.is_file() for file in files):
            pair = Pair(*(self._read(file) for file in files))
            reason = certificates.flaw(pair, authority.certificate, names)
            reason = f"the one before {reason}" if reason else ""
            if not reason and (left := certificates.days_left(pair.certificate, now)) < options["renew_days"]:
                reason = f"the one before ends in {int(left)} days"
        if reason:
            pair = certificates.issue(authority, names, options["days"], now)
            self._write(files[1], pair.key)
            self._write(files[0], pair.certificate)
        return pair, authorities, reason

    def _authority(self, folder: Path, options: Mapping[str, Any], now: datetime) -> tuple[Pair, str]:
        """Return the authority that signs, and all that clients trust: earlier ones stay until they end."""
        files = (folder / "ca.pem", folder / "ca.key")
        trusted = ""
        if all(file.is_file() for file in files):
            pair = Pair(*(self._read(file) for file in files))
            if certificates.days_left(pair.certificate, now) >= options["renew_days"]:
                return pair, pair.certificate
            trusted = certificates.still_valid(pair.certificate, now)
        made = certificates.make_authority(options["stack"], now)
        pair = Pair(made.certificate + trusted, made.key)
        self._write(files[1], pair.key)
        self._write(files[0], pair.certificate)
        return pair, pair.certificate

    def _read(self, file: Path) -> str:
        return str(self._loader.get_text_file_contents(str(file)))

    def _write(self, file: Path, content: str) -> None:
        """Replace a file, unless nothing may be written."""
        if not self._task.check_mode:
            secret_files.replace(file, content.encode())


@contextmanager
def _locked(folder: Path, *, is_dry: bool) -> Iterator[None]:
    """Make the folder for its user alone, and keep other hosts' runs out of it meanwhile."""
    if is_dry:
        yield
        return
    secret_files.make_folder(folder)
    lock = os.open(folder / ".lock", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
    finally:
        os.close(lock)
