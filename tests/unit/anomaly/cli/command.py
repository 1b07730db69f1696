"""A command of `anomaly` that ran in this process, and the pipeline that it is about."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from anomaly.pipeline import normalize
from tests.unit.anomaly import printers

# As few trees as find a clear anomaly: these tests are about the command line, and most of them train.
(PIPELINE,) = normalize([{**printers.PIPELINE.as_dict(), "parameters": {"trees": 10}}])


@dataclass
class Ran:
    code: int
    out: list[str]
    err: str

    @property
    def last(self) -> dict[str, Any]:
        answer: dict[str, Any] = json.loads(self.out[-1])
        return answer


Run = Callable[..., Ran]
