#!/usr/bin/python
"""Ansible module: ensures many folders and files with their owners and modes in one call.

A loop of `ansible.builtin.file` starts Python once for each folder, which is most of what a run without changes costs.
"""

from __future__ import annotations

DOCUMENTATION = r"""
module: folders
short_description: Ensures folders and files with their owners and modes
description:
  - Creates the folders and files that are missing, and corrects owner, group and mode of the others, in the order given.
  - Content of files is never changed, and nothing is removed but an empty folder in the place of a file.
attributes:
  check_mode:
    support: full
  diff_mode:
    support: full
options:
  base:
    description: Folder that all paths start from.
    type: path
    required: true
  folders:
    description: Folders; parents come before what lies in them.
    type: list
    elements: dict
    default: []
    suboptions:
      path:
        description: Path below I(base); empty for I(base) itself.
        type: str
        required: true
      uid:
        description: Number of the owner.
        type: int
        required: true
      gid:
        description: Number of the group.
        type: int
        required: true
      mode:
        description: Permissions, in octal digits.
        type: str
        required: true
  adopted:
    description: >-
      Paths out of I(folders) whose content is handed to the same owner and group when the folder itself was another's:
      data from elsewhere, or of an older version that ran as root.
    type: list
    elements: str
    default: []
  files:
    description: >-
      Files, as I(folders). An empty folder of that name, as an engine makes it for a mounted path that is missing, is
      replaced by the file; one with content is refused.
    type: list
    elements: dict
    default: []
    suboptions:
      path:
        description: Path below I(base).
        type: str
        required: true
      uid:
        description: Number of the owner.
        type: int
        required: true
      gid:
        description: Number of the group.
        type: int
        required: true
      mode:
        description: Permissions, in octal digits.
        type: str
        required: true
author: influx-anomaly
"""

EXAMPLES = r"""
- name: Ensure the folders of a service
  folders:
    base: /srv/influx-anomaly/anomaly
    folders:
      - {path: "", uid: 0, gid: 0, mode: "0755"}
      - {path: data, uid: 1500, gid: 1500, mode: "0700"}
    adopted: [data]
"""

RETURN = r"""
paths:
  description: What was created or corrected, or would be in check mode.
  type: list
  elements: str
  returned: success
"""

from pathlib import Path

from ansible.module_utils.basic import AnsibleModule

ENTRY = {
    "path": {"type": "str", "required": True},
    "uid": {"type": "int", "required": True},
    "gid": {"type": "int", "required": True},
    "mode": {"type": "str", "required": True},
}


class Folders:
    """What is to be there below one folder, and what had to be done for it.

    Attributes:
        paths: what was created or corrected.
        before: path to what it was, for a diff.
        after: path to what it is now.
    """

    def __init__(self, module: AnsibleModule, base: str) -> None:
        self._module = module
        self._base = Path(base)
        self.paths: list[str] = []
        self.before: dict[str, str] = {}
        self.after: dict[str, str] = {}

    def ensure_folder(self, entry: dict[str, object], adopt: bool) -> None:
        """Ensure one folder, and hand over what lies in it if it was another's and `adopt` is set."""
        path = self._path(entry)
        existed = path.is_dir()
        if path.exists() and not existed:
            self._module.fail_json(
                msg=f"{path} must be a folder, but is something else. "
                f"Fix: look at it, then move it away: mv {path} {path}.old"
            )
        before = _look(path)
        if not existed and not self._module.check_mode:
            self._create(path, entry)
        changed = self._correct(path, entry, before)
        if changed and existed and adopt:
            self._adopt(path, entry)

    def ensure_file(self, entry: dict[str, object]) -> None:
        """Ensure one file, in the place of an empty folder if there is one."""
        path = self._path(entry)
        before = _look(path) if path.is_file() else ""
        if path.is_dir():
            content = sorted(path.iterdir())
            if content:
                self._module.fail_json(
                    msg=f"{path} must be a file, but is a folder that has something in it ({content[0]}). "
                    f"Fix: look at it, then move it away: mv {path} {path}.old"
                )
            if not self._module.check_mode:
                # Not a recursive removal: what has come in since stays.
                path.rmdir()
        if not before and not self._module.check_mode:
            path.touch(mode=0o600)
        self._correct(path, entry, before)

    def _path(self, entry: dict[str, object]) -> Path:
        path = self._base / str(entry["path"])
        # As ansible.builtin.file does it: a link is somebody's way to place a folder on another disk.
        return path.resolve() if path.is_symlink() else path

    def _create(self, path: Path, entry: dict[str, object]) -> None:
        """Create a folder, and the parents that are missing with the same attributes, whatever the umask is."""
        if not path.parent.exists():
            self._create(path.parent, entry)
        path.mkdir(mode=0o700)
        self._set(path, entry, mode=str(entry["mode"]))

    def _correct(self, path: Path, entry: dict[str, object], before: str) -> bool:
        """Correct owner, group and mode, and tell whether there was anything to do, the creation included."""
        # In check mode nothing is there yet, or an empty folder in the place of a file.
        corrected = self._set(path, entry, mode=str(entry["mode"])) if before or not self._module.check_mode else True
        if before and not corrected:
            return False
        self.paths.append(str(path))
        self.before[str(path)] = before or "absent"
        self.after[str(path)] = f"{entry['uid']}:{entry['gid']} {entry['mode']}"
        return True

    def _set(self, path: Path, entry: dict[str, object], mode: str | None = None) -> bool:
        arguments = {"owner": str(entry["uid"]), "group": str(entry["gid"]), "mode": mode}
        common = self._module.load_file_common_arguments(arguments, path=str(path))
        return bool(self._module.set_fs_attributes_if_different(common, changed=False))

    def _adopt(self, path: Path, entry: dict[str, object]) -> None:
        """Hand everything below a folder to its owner and group; links themselves, not what they lead to."""
        for inner in sorted(path.iterdir()):
            if self._set(inner, entry):
                self.paths.append(str(inner))
            if inner.is_dir() and not inner.is_symlink():
                self._adopt(inner, entry)


def _look(path: Path) -> str:
    """Return owner, group and mode of what is there; empty where nothing is."""
    if not path.exists():
        return ""
    status = path.stat()
    return f"{status.st_uid}:{status.st_gid} 0{status.st_mode & 0o7777:o}"


def main() -> None:
    """Entry point."""
    module = AnsibleModule(
        argument_spec={
            "base": {"type": "path", "required": True},
            "folders": {"type": "list", "elements": "dict", "options": ENTRY, "default": []},
            "adopted": {"type": "list", "elements": "str", "default": []},
            "files": {"type": "list", "elements": "dict", "options": ENTRY, "default": []},
        },
        supports_check_mode=True,
    )
    folders = Folders(module, module.params["base"])
    for entry in module.params["folders"]:
        folders.ensure_folder(entry, adopt=entry["path"] in module.params["adopted"])
    for entry in module.params["files"]:
        folders.ensure_file(entry)
    diff = {
        "before": "".join(f"{path} {text}\n" for path, text in folders.before.items()),
        "after": "".join(f"{path} {text}\n" for path, text in folders.after.items()),
    }
    module.exit_json(changed=bool(folders.paths), paths=folders.paths, diff=diff)


if __name__ == "__main__":
    main()
