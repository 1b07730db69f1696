"""What a catch-up notes of the period that a window belongs to, beside each window that it has scored again.

A UDF goes on with the period that it remembers, and may write it again after a catch-up has corrected it: with the peak
of a score that came from a part of the points, or without the windows that it missed. So a catch-up notes at each of
its windows a sign of the period as it left it. The next catch-up replays a closed period that has another sign.
"""

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from anomaly.pipeline import Pipeline
from anomaly.scoring.periods import NEW_LEVEL, NO_DATA

_SIGN_BYTES = 8
# What is noted of a window that no period has.
NO_PERIOD = ""


def sign_of(begin_ns: int, fields: Mapping[str, Any]) -> str:
    """Return the sign of a period.

    Args:
        begin_ns: its begin.
        fields: the fields by which stored periods are compared; None for one that it lacks.
    """
    # InfluxDB answers with 3 where 3.0 was written.
    compared = {
        name: float(value) if isinstance(value, int) else value
        for name, value in sorted(fields.items())
        if value is not None
    }
    text = json.dumps([begin_ns, compared])
    return hashlib.blake2b(text.encode(), digest_size=_SIGN_BYTES).hexdigest()


def prolonged_until_ns(pipeline: Pipeline, end_ns: int, reason: Any) -> int:
    """Return up to when a window that begins after the begin of a period would prolong it, or be known to end it.

    Args:
        pipeline: the pipeline.
        end_ns: the period's end.
        reason: its reason; a period that ends with a new level is over at once, and so is a silence.
    """
    return end_ns if reason in (NEW_LEVEL, NO_DATA) else end_ns + pipeline.periods.merge_ns
