"""A call of an engine's method that an event loop makes in two turns: up to its question, and again with the outcome.

Everything between a caller and the bridge is plain synchronous code, which cannot be left in the middle and entered
again. It can be begun twice: what comes before the question costs microseconds and changes nothing; a thread costs
more.
"""

from __future__ import annotations

from collections.abc import Callable
from contextvars import ContextVar
from functools import partial
from typing import Final, NoReturn, TypeVar

from openclaw_webhooks.engines.bridge.loop_transport import Outcome
from openclaw_webhooks.engines.bridge.wire import Reply, Request

T = TypeVar("T")

_LONG_ANSWER_BYTES: Final = 32 * 1024
"""What is longer is read in a thread: ten thousand flows would hold up an event loop for tenths of a second."""


class Suspended(BaseException):
    """A call has come to its question; no handler of errors on its way is meant."""

    def __init__(self, request: Request) -> None:
        """Keep what is asked."""
        super().__init__()
        self.request = request


class Turn:
    """One such call, which asks one question."""

    __slots__ = ("_outcome",)

    def __init__(self) -> None:
        """Know no outcome yet."""
        self._outcome: Outcome | None = None

    @staticmethod
    def current() -> Turn | None:
        """Return the one that this very code runs in; ``None`` where it may block."""
        return _CURRENT.get()

    @property
    def has_outcome(self) -> bool:
        """Whether this is the second turn."""
        return self._outcome is not None

    def suspend(self, request: Request) -> NoReturn:
        """End the first turn with its question."""
        raise Suspended(request)

    def take(self) -> Reply:
        """Return the answer, or raise why there is none."""
        if isinstance(self._outcome, Reply):
            return self._outcome
        assert self._outcome is not None  # noqa: S101 - asked for only where there is one
        raise self._outcome

    def run(self, call: Callable[[], T]) -> T:
        """Make a turn; raises ``Suspended``, or what the call raises."""
        token = _CURRENT.set(self)
        try:
            return call()
        finally:
            _CURRENT.reset(token)

    def resume(self, call: Callable[[], T], outcome: Outcome) -> tuple[Callable[[], T], bool]:
        """Return what makes the second turn, and whether that takes long."""
        self._outcome = outcome
        return partial(self.run, call), isinstance(outcome, Reply) and len(outcome.body) > _LONG_ANSWER_BYTES


_CURRENT: Final[ContextVar[Turn | None]] = ContextVar("openclaw_webhooks_bridge_turn", default=None)
