"""Looks at containers that are gone before anyone could ask for them."""

from __future__ import annotations

import threading
from types import TracebackType
from typing import Any, Self

from docker.errors import NotFound

from tests.integration.stack import STACK_LABEL, Stack


class Watch:
    """Inspects every container of a stack that starts while in the `with` statement.

    Attributes:
        seen: what the engine said of each, in order of their start.
    """

    def __init__(self, stack: Stack) -> None:
        self.seen: list[dict[str, Any]] = []
        self._api = stack.client.api
        self._events = stack.client.events(
            decode=True,
            filters={"type": "container", "event": "start", "label": f"{STACK_LABEL}={stack.name}"},
        )
        self._thread = threading.Thread(target=self._look, name="watch")

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._events.close()
        self._thread.join()

    def _look(self) -> None:
        for event in self._events:
            try:
                self.seen.append(self._api.inspect_container(event["id"]))
            except NotFound:
                self.seen.append({"Name": event["Actor"]["Attributes"].get("name"), "gone": True})
