"""A bar for work that takes long: on a terminal only, so that logs and pipes stay clean."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final, TextIO

_WIDTH: Final = 30
_EVERY_SECONDS: Final = 0.1


class Progress:
    """Draws how much of a number of steps is done, ten times a second at most; ``close`` takes the bar away."""

    def __init__(self, stream: TextIO, total: int, *, clock: Callable[[], float] = time.monotonic) -> None:
        """Draw on ``stream`` where that is a terminal and there is something to do; ``clock`` in seconds."""
        self._stream, self._total, self._clock = stream, total, clock
        self._is_drawn = total > 0 and stream.isatty()
        self._done, self._began_at, self._drawn_at = 0, clock(), float("-inf")

    def advance(self, steps: int) -> None:
        """Note that so many steps more are done."""
        self._done = min(self._done + steps, self._total)
        now = self._clock()
        if self._is_drawn and (now - self._drawn_at >= _EVERY_SECONDS or self._done == self._total):
            self._drawn_at = now
            self._stream.write(f"\r{self._draw(now - self._began_at)}")
            self._stream.flush()

    def close(self) -> None:
        """Leave an empty line for what is printed next."""
        if self._is_drawn:
            self._stream.write("\r\033[K")
            self._stream.flush()

    def _draw(self, seconds: float) -> str:
        share = self._done / self._total
        bar = "#" * int(share * _WIDTH)
        left = seconds / share - seconds if share else 0.0
        return f"[{bar:<{_WIDTH}}] {share:4.0%}  {self._done:,} of {self._total:,}  {left:.0f} s left\033[K"
