"""The UDF of docs/udf.md, taken out of the page, so that what the page says is what is tested."""

from __future__ import annotations

import re
from pathlib import Path

PAGE = (Path(__file__).resolve().parents[1] / "docs" / "udf.md").read_text(encoding="utf-8")


def _block(pattern: str) -> str:
    """The code block that the pattern matches the beginning of."""
    blocks: list[str] = re.findall(r"^```\w*\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
    (found,) = [block for block in blocks if re.match(pattern, block)]
    return found


MODULE = _block(r"# udfs/smooth/smooth\.py")
SCRIPT = _block(r"// udfs/smooth/smooth-air\.tick")
ENTRY = _block(r"kapacitor_udfs:")


def write(root: Path) -> Path:
    """Writes the page's folder below `root`, as below a repository, and gives its path."""
    folder = root / "udfs" / "smooth"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "smooth.py").write_text(MODULE, encoding="utf-8")
    (folder / "smooth-air.tick").write_text(SCRIPT, encoding="utf-8")
    return folder
