"""What the bodies of pages may take at both doors: forms are small, and nothing here takes uploads.

Knows neither door; safe for several threads.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True, kw_only=True)
class BodyLimits:
    """What is read of bodies that no route reads.

    Attributes:
        each_bytes: How large one may be.
        timeout_seconds: How long one may take.
        together_bytes: How much of unfinished and waiting ones a process holds.
    """

    each_bytes: int = 1_048_576
    timeout_seconds: float = 15.0
    together_bytes: int = 16_777_216


BODY_LIMITS: Final = BodyLimits()


class BodyBudget:
    """The room that bodies of a process share. Where they outgrow it the largest is refused: a small form never is."""

    def __init__(self, together_bytes: int) -> None:
        """Hold nothing yet."""
        self._together_bytes = together_bytes
        self._lock = threading.Lock()
        self._held: set[HeldBody] = set()
        self._total_bytes = 0

    def open(self, refuse: Callable[[], None]) -> HeldBody:
        """Begin to hold a body.

        Args:
            refuse: Called at most once, in any thread that adds to a body: this one has to be let go of.
        """
        body = HeldBody(self, refuse)
        with self._lock:
            self._held.add(body)
        return body

    def add(self, body: HeldBody, received_bytes: int) -> None:
        """Hold more of a body; see ``HeldBody.add``."""
        with self._lock:
            if body not in self._held:
                return
            body.held_bytes += received_bytes
            self._total_bytes += received_bytes
            if self._total_bytes <= self._together_bytes:
                return
            largest = max(self._held, key=lambda held: held.held_bytes)
            self._drop(largest)
            largest.is_refused = True
        largest.refuse()

    def close(self, body: HeldBody) -> None:
        """Hold a body no more."""
        with self._lock:
            if body in self._held:
                self._drop(body)

    def _drop(self, body: HeldBody) -> None:
        self._held.discard(body)
        self._total_bytes -= body.held_bytes


class HeldBody:
    """What one request holds of the budget.

    Attributes:
        held_bytes: How much.
        is_refused: Whether its room was taken away.
    """

    __slots__ = ("_budget", "held_bytes", "is_refused", "refuse")

    def __init__(self, budget: BodyBudget, refuse: Callable[[], None]) -> None:
        """Hold nothing yet; see ``BodyBudget.open``."""
        self._budget = budget
        self.refuse = refuse
        self.held_bytes = 0
        self.is_refused = False

    def add(self, received_bytes: int) -> None:
        """Hold more; the largest body, perhaps this one, is refused where that is more than there is room for."""
        self._budget.add(self, received_bytes)

    def close(self) -> None:
        """Hold nothing any more."""
        self._budget.close(self)
