"""Runs blocking resolutions in a few daemon threads; equal references share the one that is running.

Owns threads and deadlines, knows nothing of providers. Threads end when there is no work, and are daemons: a program
that hangs never keeps a server from stopping.
"""

from __future__ import annotations

import contextlib
import os
import threading
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, InvalidStateError
from dataclasses import dataclass, field
from typing import Final

from openclaw_webhooks.exceptions import SecretUnresolved
from openclaw_webhooks.secrets.refs import SecretRef

MAX_THREADS: Final = 8
"""How many files and programs one process reads and runs at once; further references wait, within their timeout."""

IDLE_SECONDS: Final = 5.0
"""How long a thread waits for the next job: starting one costs more than reading a file."""


@dataclass(frozen=True, slots=True)
class Job:
    """One resolution. ``work`` blocks until the deadline at most, and raises ``SecretUnresolved`` and nothing else."""

    ref: SecretRef
    work: Callable[[float], str] = field(repr=False)
    timeout_ms: int


@dataclass(slots=True, eq=False)
class _Running:
    job: Job
    deadline: float
    future: Future[str] = field(default_factory=Future, repr=False)

    def settle(self, outcome: str | SecretUnresolved) -> None:
        """Set the outcome, unless the deadline or the work was first."""
        with contextlib.suppress(InvalidStateError):
            if isinstance(outcome, str):
                self.future.set_result(outcome)
            else:
                self.future.set_exception(outcome)


class _State:
    """What one process holds; a fork starts afresh, since threads do not live on in a child."""

    def __init__(self) -> None:
        self.pid = os.getpid()
        self.lock = threading.Lock()
        self.sooner = threading.Condition(self.lock)
        self.running: dict[SecretRef, _Running] = {}
        self.waiting: deque[_Running] = deque()
        self.work = threading.Condition(self.lock)
        self.threads = 0
        self.idle = 0
        self.woken = 0
        self.watched_until: float | None = None

    def forget(self, running: _Running) -> None:
        """Let the next fetch of its reference start anew; asks for the lock to be held."""
        if self.running.get(running.job.ref) is running:
            del self.running[running.job.ref]
        with contextlib.suppress(ValueError):
            self.waiting.remove(running)


class Fetcher:
    """Starts jobs and settles their futures, at the latest when their time is up."""

    def __init__(self, *, clock: Callable[[], float], max_threads: int = MAX_THREADS) -> None:
        """Start nothing yet; ``clock`` is monotonic, in seconds."""
        self._clock, self._max_threads = clock, max_threads
        self._state = _State()

    def fetch(self, job: Job) -> Future[str]:
        """Return the future of the job's reference: the one that is running, else a new one.

        The future cannot be cancelled, because others may wait for it, and fails with ``SecretUnresolved`` only.
        """
        state = self._own_state()
        with state.lock:
            running = state.running.get(job.ref)
            if running is not None:
                return running.future
            running = _Running(job, self._clock() + job.timeout_ms / 1000)
            running.future.set_running_or_notify_cancel()
            try:
                self._take_up(state, running)
            except RuntimeError:
                state.forget(running)
                running.settle(SecretUnresolved("the system allows no further thread"))
        return running.future

    def _own_state(self) -> _State:
        if self._state.pid != os.getpid():
            self._state = _State()
        return self._state

    def _take_up(self, state: _State, running: _Running) -> None:
        state.running[running.job.ref] = running
        state.waiting.append(running)
        if state.watched_until is None:
            _start_thread(self._settle_late, state)
            state.watched_until = running.deadline
        elif running.deadline < state.watched_until:
            state.sooner.notify()
        if state.idle:
            # Claimed here, not when it wakes: the next job must not count on the same thread.
            state.idle -= 1
            state.woken += 1
            state.work.notify()
        elif state.threads < self._max_threads:
            _start_thread(self._work, state)
            state.threads += 1

    def _work(self, state: _State) -> None:
        while (running := _next_waiting(state)) is not None:
            try:
                self._finish(state, running)
            except BaseException:
                with state.lock:
                    state.threads -= 1
                raise

    def _finish(self, state: _State, running: _Running) -> None:
        outcome: str | SecretUnresolved = SecretUnresolved(
            "the resolver itself failed: its thread's traceback says how"
        )
        try:
            outcome = running.job.work(running.deadline)
        except SecretUnresolved as unresolved:
            # A new error: the old one's frames and causes hold what was read.
            outcome = SecretUnresolved(str(unresolved))
        finally:
            with state.lock:
                state.forget(running)
            running.settle(outcome)

    def _settle_late(self, state: _State) -> None:
        """Fail whatever is not settled at its deadline; ends once nothing is left to watch."""
        while True:
            with state.lock:
                if not state.running:
                    state.watched_until = None
                    return
                running = min(state.running.values(), key=lambda each: each.deadline)
                state.watched_until = running.deadline
                if (left := running.deadline - self._clock()) > 0:
                    state.sooner.wait(left)
                    continue
                state.forget(running)
            running.settle(SecretUnresolved(f"no answer within {running.job.timeout_ms} ms"))


def _next_waiting(state: _State) -> _Running | None:
    """Wait a while for the next job; sign the thread off under the same lock, so that no job is left between two."""
    with state.lock:
        while not state.waiting:
            state.idle += 1
            state.work.wait(IDLE_SECONDS)
            if state.woken:
                state.woken -= 1
            else:
                state.idle -= 1
                state.threads -= 1
                return None
        return state.waiting.popleft()


def _start_thread(target: Callable[[_State], None], state: _State) -> None:
    threading.Thread(target=target, args=(state,), name="openclaw-webhooks-secrets", daemon=True).start()
