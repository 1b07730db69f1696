"""The file that says how the last look went: for the container's health check, and for verify.yml.

The keeper's container is healthy while the keeper looks and detection is up. An outage counts from when it was told,
and not in the first two minutes of a keeper, which repairs before it judges.
"""

import json
import time
from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from anomaly.nanoseconds import SECOND_NS

if TYPE_CHECKING:
    # The health check runs every few seconds, and needs none of what a finding is made of.
    from anomaly.keeper.checks import Finding

# A keeper that has just been started repairs what happened while there was none.
_SETTLING_NS = 120 * SECOND_NS


def write_heartbeat(
    path: Path, findings: Iterable["Finding"], down: Iterable[str], started_ns: int, time_ns: int
) -> None:
    """Replace the file.

    Args:
        path: the file.
        findings: what the look found.
        down: a sentence for each outage of detection that was told and lasts.
        started_ns: when the keeper was started.
        time_ns: when the look was.

    Raises:
        OSError: the file cannot be written.
    """
    content = {
        "time_ns": time_ns,
        "started_ns": started_ns,
        "down": list(down),
        "findings": [asdict(finding) for finding in findings],
    }
    draft = path.with_name(path.name + ".new")
    draft.write_text(json.dumps(content, ensure_ascii=False) + "\n", encoding="utf-8")
    draft.replace(path)


def unhealthy(path: Path, patience_s: float, now_ns: int | None = None) -> str:
    """Return why the keeper is not healthy; empty if it is.

    Args:
        path: the file.
        patience_s: how old the last look may be, in seconds.
        now_ns: when; None: now.
    """
    now_ns = time.time_ns() if now_ns is None else now_ns
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        age_s = (now_ns - content["time_ns"]) / SECOND_NS
        # The clock may have been set back since.
        is_settling = 0 <= now_ns - content["started_ns"] < _SETTLING_NS
        down = "; ".join(content["down"])
    except OSError as error:
        return f"{path} cannot be read ({error.strerror}): the keeper has not looked yet"
    except (ValueError, KeyError, TypeError) as error:
        return f"{path} is damaged ({error}): the keeper writes it again at its next look"
    if age_s > patience_s:
        return f"the keeper looked {age_s:.0f} s ago, which is more than {patience_s:.0f} s: see its log"
    return "" if is_settling else down
