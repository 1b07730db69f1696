"""Notices: what people should know of a pipeline's data although it is not an anomaly.

A notice has a kind (`clock`, `rate` or `silence`), a begin and an end like a period, and a text for people. It is told
once when it opens, and once when it closes.
"""

from dataclasses import dataclass

from anomaly.pipeline import Pipeline
from anomaly.scoring.results import Fields, Result, series_tags
from anomaly.windows.arrays import Key

CLOCK = "clock"
RATE = "rate"
SILENCE = "silence"


@dataclass(frozen=True, slots=True)
class Notice:
    """One notice, as it is known so far.

    Attributes:
        kind: CLOCK, RATE or SILENCE.
        begin_ns: where what it tells begins.
        end_ns: where it ends; while the notice is open, the time at which it was told.
        state: `open` or `closed`.
        text: what people read.
        count: of how many points or series it speaks.
    """

    kind: str
    begin_ns: int
    end_ns: int
    state: str
    text: str
    count: int


def notice_result(pipeline: Pipeline, key: Key | None, notice: Notice) -> Result:
    """Describe a notice as a point of the measurement `notice`.

    Args:
        pipeline: the pipeline.
        key: the series; None for all series of the pipeline together.
        notice: the notice.
    """
    tags = {"pipeline": pipeline.name} if key is None else series_tags(pipeline, key)
    fields: Fields = {
        "begin_ms": notice.begin_ns // 1_000_000,
        "end_ms": notice.end_ns // 1_000_000,
        "state": notice.state,
        "text": notice.text,
        "count": notice.count,
    }
    return Result("notice", {**tags, "kind": notice.kind}, notice.begin_ns, fields)
