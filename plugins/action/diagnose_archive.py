"""Action plugin: writes what the hosts of a stack told into one archive on the controller, without secrets."""

from __future__ import annotations

import io
import tarfile
import time
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import Any

from ansible.errors import AnsibleActionFail
from ansible.plugins.action import ActionBase
from ansible_collections.influx_anomaly.stack.plugins.plugin_utils.redaction import Redactor, sensitive_values


def contents(told: Mapping[str, Any], about: Mapping[str, Any], redactor: Redactor) -> dict[str, str]:
    """Return the archive's files, name to text without secrets.

    Args:
        told: host to `texts` (name to text) and `missing` (name to reason); None for a host that was not reached.
        about: what the archive says of itself.
        redactor: takes the secrets out.
    """
    files: dict[str, str] = {}
    lines = [f"{key}: {value}" for key, value in about.items()]
    for host, of_host in told.items():
        if of_host is None:
            lines.append(f"missing: all of {host}: the host was not reached")
            continue
        for name, text in of_host["texts"].items():
            files[str(PurePosixPath(host, name))] = redactor.redact(text)
        lines += [f"missing: {host}/{name}: {reason}" for name, reason in of_host["missing"].items()]
    return {"README": redactor.redact("\n".join(lines) + "\n"), **files}


def write(path: Path, files: Mapping[str, str]) -> None:
    """Write an archive that only its owner reads, in a folder of the same name.

    Raises:
        OSError: it cannot be written.
    """
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    draft = path.with_name(f".{path.name}.partial")
    try:
        draft.touch(mode=0o600)
        with tarfile.open(draft, "w:gz") as archive:
            for name, text in files.items():
                content = text.encode()
                member = tarfile.TarInfo(f"{path.name.partition('.')[0]}/{name}")
                member.size, member.mode, member.mtime = len(content), 0o600, int(time.time())
                archive.addfile(member, io.BytesIO(content))
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)


class ActionModule(ActionBase):  # type: ignore[misc]
    """Takes `path`, `told` (host to what it told), `about`, and `sensitive`: variables that may hold more secrets.

    The stack's secrets are the variables `stack_secrets`, `stack_secrets_previous` and `secrets_given`, so that no
    argument has them. Returns `missing`, the lines about what could not be had.
    """

    TRANSFERS_FILES = False
    _requires_connection = False
    _supports_check_mode = True

    def run(self, tmp: Any = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Write the archive."""
        result: dict[str, Any] = super().run(tmp, task_vars)
        given = self._task.args
        known = task_vars or {}
        secrets = [
            str(secret)
            for name in ("stack_secrets", "stack_secrets_previous", "secrets_given")
            for secret in self._templar.template(known.get(name) or {}).values()
        ]
        redactor = Redactor([*secrets, *sensitive_values(given.get("sensitive") or {})])
        files = contents(given["told"], given["about"], redactor)
        leaking = [name for name, text in files.items() if redactor.leaks(f"{name}\n{text}".encode())]
        if leaking:
            raise AnsibleActionFail(
                f"Nothing was written, because a secret would be in {', '.join(leaking)}. Fix: report this with the "
                "names of these files"
            )
        missing = [line for line in files["README"].splitlines() if line.startswith("missing: ")]
        if not self._task.check_mode:
            try:
                write(Path(given["path"]).expanduser().absolute(), files)
            except OSError as error:
                raise AnsibleActionFail(
                    f"{given['path']} cannot be written: {error}. Fix: set diagnose_dir to another folder"
                ) from None
        return {**result, "changed": False, "missing": missing, "files": sorted(files)}
