"""What stops a running child task when its flow is cancelled: callables that the project registers.

The engine calls them outside any transaction and lock. It does not know how to stop anything by itself.
"""

from __future__ import annotations

import logging
from typing import Protocol, TypeVar

from openclaw_webhooks.engines.records import TaskRecord

_logger = logging.getLogger(__name__)


class Canceller(Protocol):
    """Stops one kind of child task."""

    def __call__(self, task: TaskRecord, *, session_key: str) -> bool:
        """Stop the task if it is of this canceller's kind.

        Must be quick (a caller of the webhook waits), and safe to call twice for one task.

        Args:
            task: The active task.
            session_key: The owner of its flow.

        Returns:
            True only where the task has certainly stopped; it is then recorded as cancelled. False leaves it active:
            the flow waits until a worker reports its end.
        """
        ...


_Registered = TypeVar("_Registered", bound=Canceller)


class Cancellers:
    """The registered cancellers, asked in the order of registration until one has stopped the task."""

    def __init__(self) -> None:
        """Start with none: children are then left to their workers."""
        self._cancellers: tuple[Canceller, ...] = ()

    def register(self, canceller: _Registered) -> _Registered:
        """Add a canceller, once; returns it, so that this works as a decorator."""
        if canceller not in self._cancellers:
            self._cancellers = (*self._cancellers, canceller)
        return canceller

    def unregister(self, canceller: Canceller) -> None:
        """Remove a canceller; one that is not registered is no error."""
        self._cancellers = tuple(known for known in self._cancellers if known is not canceller)

    def stop(self, task: TaskRecord, *, session_key: str) -> bool:
        """Tell whether some canceller has stopped the task. One that raises is logged and has not."""
        return any(_stops(canceller, task, session_key=session_key) for canceller in self._cancellers)


def _stops(canceller: Canceller, task: TaskRecord, *, session_key: str) -> bool:
    try:
        return canceller(task, session_key=session_key) is True
    except Exception:
        _logger.exception("A canceller failed for task %s; the task is left active.", task.task_id)
        return False


default_cancellers = Cancellers()
"""Those of this process, which every embedded engine uses unless it is given others."""

register_canceller = default_cancellers.register
"""Register a canceller for this process; call it from an ``AppConfig.ready()``."""
