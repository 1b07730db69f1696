"""Marks of feedback on disk: `<models>/<pipeline>/feedback.json`.

The UDF has no network and cannot ask InfluxDB, which keeps the marks. So those who can (`anomaly feedback`,
`anomaly train`) write them beside the models, and running UDFs notice within a second.
"""

import json
from collections.abc import Iterable
from pathlib import Path

from anomaly.models.store import StoreError, replace_file, store_error
from anomaly.scoring.feedback import Mark

_NAME = "feedback.json"


def feedback_path(models: Path | str, pipeline: str) -> Path:
    """Return the path of a pipeline's marks."""
    return Path(models) / pipeline / _NAME


def read_marks(path: Path) -> list[Mark]:
    """Return all marks, none without a file. Raises StoreError if the file is damaged."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        return [Mark.from_dict(mark) for mark in content["marks"]]
    except FileNotFoundError:
        return []
    except OSError as error:
        raise store_error("read", path, error) from error
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise StoreError(f"{path} is damaged ({error}): write it anew with `anomaly feedback sync`") from error


def write_marks(path: Path, marks: Iterable[Mark]) -> None:
    """Replace all marks, atomically. Raises StoreError if the file cannot be written."""
    text = json.dumps({"marks": [mark.as_dict() for mark in marks]}, indent=2, ensure_ascii=False) + "\n"
    replace_file(path, text.encode())
