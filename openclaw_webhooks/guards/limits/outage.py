"""Whether a server over the network answers, so that one that does not costs a wait now and then, not per request.

After a failure nobody asks for a moment; then one caller tries while the others are still refused at once, so that a
server that comes back is not met by everybody together. Knows neither what is asked nor of whom.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from typing import Final, TypeVar

from openclaw_webhooks.exceptions import LimitStoreUnavailable

logger = logging.getLogger(__name__)
T = TypeVar("T")

BACK_OFF_SECONDS: Final = 0.25
"""Short against the second that a refused caller is asked to wait: whoever comes again finds a recovered server so."""


class Outage:
    """Watches one server for all threads of a process. Each outage is two lines in the log: its begin and its end.

    Attributes:
        failures: How many questions were not answered, those that were not even asked included.
    """

    def __init__(
        self,
        *,
        patience_seconds: float,
        back_off_seconds: float = BACK_OFF_SECONDS,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Begin with a server that answers.

        Args:
            patience_seconds: How long a question takes at most; another try begins after that at the earliest.
            back_off_seconds: How long nobody asks after a failure.
            clock: Monotonic seconds.
        """
        self.failures = 0
        self._patience_seconds = patience_seconds
        self._back_off_seconds = back_off_seconds
        self._clock = clock
        self._lock = threading.Lock()
        self._since: float | None = None
        self._next_try_at = 0.0

    def ask(self, question: Callable[[], T]) -> T:
        """Ask, unless the server did not answer a moment ago.

        Raises:
            LimitStoreUnavailable: It did not answer, whatever went wrong, or was not asked.
        """
        is_try = self._since is not None
        if is_try:
            self._admit()
        try:
            answer = question()
        except Exception as error:
            # Whatever a cache, a driver or their settings come up with: a limit that cannot be counted is a 503, never
            # a 500. What it was is in the log.
            self._note_failure(error)
            raise LimitStoreUnavailable("The limits cannot be counted.") from error
        if is_try:
            self._note_recovery()
        return answer

    def _admit(self) -> None:
        """Let one caller through at a time."""
        with self._lock:
            now = self._clock()
            if now < self._next_try_at:
                self.failures += 1
                raise LimitStoreUnavailable("The limits could not be counted a moment ago.")
            self._next_try_at = now + self._patience_seconds + self._back_off_seconds

    def _note_failure(self, error: Exception) -> None:
        with self._lock:
            self.failures += 1
            self._next_try_at = self._clock() + self._back_off_seconds
            is_first, self._since = self._since is None, self._since or self._clock()
        if is_first:
            # Of others' errors only the kind: the text of some repeats what the settings say, passwords included.
            reason = error if isinstance(error, LimitStoreUnavailable) else type(error).__name__
            logger.error("The request limits cannot be counted: %s", reason)

    def _note_recovery(self) -> None:
        with self._lock:
            since, self._since = self._since, None
        if since is not None:
            logger.warning("The request limits are counted again, after %.1f s.", self._clock() - since)
