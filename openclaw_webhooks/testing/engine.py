"""The embedded engine on a test's clock, which fails when it is told to."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, cast

from openclaw_webhooks.engines.base import BoundSession, EngineCapabilities
from openclaw_webhooks.engines.embedded import EmbeddedEngine
from openclaw_webhooks.exceptions import EngineError, EngineUnavailable, PersistFailed
from openclaw_webhooks.testing.clock import TestClock

READS: Final = frozenset(
    {
        *("get_flow", "list_flows", "find_latest_flow", "resolve_flow", "get_task_summary"),
        *("list_tasks", "get_task", "list_revisions"),
    }
)


@dataclass(slots=True)
class _Failure:
    error: EngineError | None
    method: str | None
    times: int
    is_done_first: bool


class ControlledEngine:
    """Stores flows in the test's database (``engines.base.Engine``) and raises what a test asks for."""

    def __init__(self, clock: TestClock) -> None:
        """Fail at nothing yet."""
        self._engine = EmbeddedEngine(clock=clock.read_unix_ms)
        self._failures: list[_Failure] = []
        self._lock = threading.Lock()

    @property
    def capabilities(self) -> EngineCapabilities:
        """Those of the embedded engine."""
        return self._engine.capabilities

    def bind_session(self, session_key: str) -> BoundSession:
        """Return the flows of one session."""
        return cast("BoundSession", _ControlledSession(self, self._engine.bind_session(session_key)))

    def fail_next(
        self,
        error: EngineError | None = None,
        *,
        method: str | None = None,
        times: int = 1,
        is_done_first: bool = False,
    ) -> None:
        """Make the next calls fail.

        Args:
            error: What they raise; by default what an unreachable store means: ``EngineUnavailable`` where they read,
                ``PersistFailed`` where they change.
            method: The engine method that fails, such as ``finish_flow``; by default whichever comes.
            times: How many calls fail, at least 1.
            is_done_first: Whether the call does its work before it fails: an answer that was lost on its way.

        Raises:
            ValueError: There is no such method, or ``times`` is below 1.
        """
        if method is not None and method not in _METHODS:
            raise ValueError(f"an engine has no method {method!r}; it has {', '.join(sorted(_METHODS))}")
        if times < 1:
            raise ValueError("times must be at least 1")
        with self._lock:
            self._failures.append(_Failure(error, method, times, is_done_first))

    def call(self, name: str, work: Callable[[], Any]) -> Any:
        """Do one call, or fail as told."""
        failure = self._take_failure(name)
        if failure is None:
            return work()
        if failure.is_done_first:
            work()
        why = f"{name} was told to fail by a test"
        raise failure.error or (EngineUnavailable(why) if name in READS else PersistFailed(why))

    def _take_failure(self, name: str) -> _Failure | None:
        with self._lock:
            for failure in self._failures:
                if failure.method in (None, name):
                    failure.times -= 1
                    if not failure.times:
                        self._failures.remove(failure)
                    return failure
        return None


class _ControlledSession:
    """Passes every call of a session through its engine's ``call``."""

    def __init__(self, engine: ControlledEngine, session: BoundSession) -> None:
        self._engine = engine
        self._session = session

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._session, name)
        return lambda *args, **kwargs: self._engine.call(name, lambda: method(*args, **kwargs))


_METHODS: Final = frozenset(name for name in dir(BoundSession) if not name.startswith("_"))
