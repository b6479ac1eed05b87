"""A circuit breaker: after some calls in a row that waited in vain nobody waits for a peer that hangs.

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
    """Lets calls through until several in a row have waited in vain; then one at a time, every half second.

    A peer that hangs so holds one thread, not one more each half second. Whoever may call notes how that ended.
    Other failures do not count: a peer that is gone refuses at once, and the first call that finds it back is served.
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

    def note_failure(self, *, is_in_vain: bool) -> None:
        """Note a call that got no answer, and whether its caller had waited for one until the time was over."""
        with self._lock:
            self._is_asked = False
            self._failures += is_in_vain
            self._ask_again_at = self._clock() + PAUSE_SECONDS * is_in_vain
