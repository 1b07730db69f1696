"""UDFs on Kapacitor's own Python agent, written as its example udf/agent/examples/mirror/mirror.py is.

stock.py                   every point as it came
stock.py MODEL FIELD...    the obvious way to score: scikit-learn's forest asked about each point by itself
"""

import sys
from typing import Any

from kapacitor.udf import udf_pb2
from kapacitor.udf.agent import Agent, Handler


class Echo(Handler):  # type: ignore[misc]  # the agent has no types
    """Gives back what it gets, flushed at once: otherwise a lone point waits for others to fill a buffer."""

    def __init__(self, agent: Any) -> None:
        self._agent = agent

    def info(self) -> Any:
        """A stream in, a stream out, no options."""
        response = udf_pb2.Response()
        response.info.wants = udf_pb2.STREAM
        response.info.provides = udf_pb2.STREAM
        return response

    def init(self, request: Any) -> Any:
        """Always well."""
        response = udf_pb2.Response()
        response.init.success = True
        return response

    def snapshot(self) -> Any:
        """Nothing to keep."""
        response = udf_pb2.Response()
        response.snapshot.snapshot = b""
        return response

    def restore(self, request: Any) -> Any:
        """Nothing to take up again."""
        response = udf_pb2.Response()
        response.restore.success = True
        return response

    def point(self, point: Any) -> None:
        """Emit it."""
        response = udf_pb2.Response()
        response.point.CopyFrom(point)
        self.change(response.point)
        self._agent.write_response(response, True)

    def change(self, point: Any) -> None:
        """What is done to a point."""


def scorer(model: str, fields: list[str]) -> type[Echo]:
    """A handler that adds the field `score`."""
    import joblib
    import numpy as np

    forest = joblib.load(model)

    class Score(Echo):
        def change(self, point: Any) -> None:
            values = np.array([[point.fieldsDouble[name] for name in fields]])
            point.fieldsDouble["score"] = forest.decision_function(values)[0]

    return Score


if __name__ == "__main__":
    agent = Agent()
    agent.handler = (scorer(sys.argv[1], sys.argv[2:]) if sys.argv[1:] else Echo)(agent)
    agent.start()
    agent.wait()
