"""The time that engine and limits go by in a test."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta


class TestClock:
    """Runs as the machine's clock does, and is moved on at will. Never back: revisions count on it."""

    __test__ = False

    def __init__(self) -> None:
        """Start at the machine's time."""
        self._ahead_seconds = 0.0

    def advance(self, by: timedelta | float) -> None:
        """Move on by a span, or by a number of seconds.

        Raises:
            ValueError: The span is negative.
        """
        seconds = by.total_seconds() if isinstance(by, timedelta) else float(by)
        if seconds < 0:
            raise ValueError("time does not run backwards")
        self._ahead_seconds += seconds

    def move_to(self, moment: datetime) -> None:
        """Move on to a moment with a time zone.

        Raises:
            ValueError: It has passed, or has no time zone.
        """
        if moment.tzinfo is None:
            raise ValueError("the moment needs a time zone")
        self.advance(moment - self.now)

    @property
    def now(self) -> datetime:
        """The present moment, in UTC."""
        return datetime.fromtimestamp(self.read_unix_ms() / 1000, UTC)

    def read_unix_ms(self) -> int:
        """Return Unix milliseconds, the engine's clock."""
        return time.time_ns() // 1_000_000 + round(self._ahead_seconds * 1000)

    def read_monotonic(self) -> float:
        """Return seconds that never go back, the limits' clock."""
        return time.monotonic() + self._ahead_seconds
