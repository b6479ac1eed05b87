"""A circuit breaker: after some failures in a row nobody waits for a peer that is away.

Knows neither HTTP nor Django.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Final

FAILURES_TO_OPEN: Final = 3
PAUSE_SECONDS: Final = 0.5
"""How long nobody asks after a failure once it is open; then one caller does, and until it knows, nobody else."""


class CircuitBreaker:
    """Lets calls through until the peer has failed several times in a row; then one at a time, every half second.

    A peer that hangs so holds one thread, not one more each half second. Whoever may call notes how that ended.
    """

    def __init__(self, *, clock: Callable[[], float] = time.monotonic) -> None:
        """Begin closed: calls pass."""
        self._clock = clock
        self._lock = threading.Lock()
        self._failures = 0
        self._ask_again_at = 0.0
        self._is_asked = False

    def may_call(self) -> bool:
        """Tell whether to ask the peer now; of those who ask while it is away, the first each half second may."""
        if self._failures < FAILURES_TO_OPEN:
            return True
        with self._lock:
            if self._failures < FAILURES_TO_OPEN:
                return True
            if self._is_asked or self._clock() < self._ask_again_at:
                return False
            self._is_asked = True
            return True

    def note_success(self) -> None:
        """Close: the peer answered."""
        if self._failures:
            with self._lock:
                self._failures = 0
                self._is_asked = False

    def note_failure(self) -> None:
        """Count a call that got no answer."""
        with self._lock:
            self._failures += 1
            self._is_asked = False
            self._ask_again_at = self._clock() + PAUSE_SECONDS
