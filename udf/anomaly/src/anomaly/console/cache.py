"""Keeps an answer for a while, so that many browsers cost as much as one."""

import threading
import time
from collections.abc import Callable
from typing import Generic, TypeVar

T = TypeVar("T")


class Cached(Generic[T]):
    """One answer, made again when it is asked for and too old.

    An answer that is a little too old is still given, while a thread makes the next one. So only who comes first, or
    after a long time, waits.
    """

    def __init__(
        self,
        make: Callable[[], T],
        fresh_seconds: float,
        usable_seconds: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Prepare the cache; nothing is made yet.

        Args:
            make: makes the answer.
            fresh_seconds: an answer of at most this age is given as it is.
            usable_seconds: an answer of at most this age is given while the next one is made.
            clock: the time in seconds.
        """
        self._make = make
        self._fresh_seconds = fresh_seconds
        self._usable_seconds = usable_seconds
        self._clock = clock
        self._lock = threading.Lock()
        self._is_made = threading.Lock()
        self._answer: tuple[float, T] | None = None

    def get(self) -> T:
        """Return the answer. What `make` raises is raised to those who wait for it."""
        known = self._known(self._fresh_seconds)
        if known is not None:
            return known[1]
        known = self._known(self._usable_seconds)
        if known is None:
            return self._made()
        if self._is_made.acquire(blocking=False):
            threading.Thread(target=self._make_behind, name="cache", daemon=True).start()
        return known[1]

    def forget(self) -> None:
        """Have the next one who asks wait for a new answer."""
        with self._lock:
            self._answer = None

    def _known(self, most_seconds: float) -> tuple[float, T] | None:
        with self._lock:
            known = self._answer
        return known if known is not None and self._clock() - known[0] <= most_seconds else None

    def _made(self) -> T:
        with self._is_made:
            # Somebody else may have made it meanwhile.
            known = self._known(self._fresh_seconds)
            return known[1] if known is not None else self._make_now()

    def _make_now(self) -> T:
        begin = self._clock()
        answer = self._make()
        with self._lock:
            self._answer = (begin, answer)
        return answer

    def _make_behind(self) -> None:
        try:
            self._make_now()
        except Exception:
            # Whoever asks once the answer is not usable any more gets the reason.
            return
        finally:
            self._is_made.release()
