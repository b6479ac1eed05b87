"""Whose turn it is among the threads of a process that all want the interpreter.

Sixteen threads that serve requests at once interrupt each other at every system call, because each lets go of the
interpreter's lock there: a request changed threads 6 to 9 times. Threads that take turns go through a request without a
break, first come, first served. A turn is a courtesy, not a lock: one that lasts longer than ``PATIENCE_SECONDS``
passes to the next thread, so a slow engine, a slow page and a slow caller hold up nobody by more than that.

How long a turn lasts is what counts, not how long a thread has waited for its own: threads that went on without one
because the queue was long made every request slower and the queue longer, for as long as the load lasted.
"""

from __future__ import annotations

import threading
from collections import deque
from typing import Final

PATIENCE_SECONDS: Final = 0.01
"""Some times what a request takes. With 2 and 5 ms a busy machine had threads run at once for seconds."""


class Turns:
    """Safe from any thread; each thread has its turn at most once."""

    def __init__(self, *, patience_seconds: float = PATIENCE_SECONDS) -> None:
        """Let it be nobody's turn."""
        self._patience_seconds = patience_seconds
        self._lock = threading.Lock()
        self._gates: deque[threading.Lock] = deque()
        self._holder: threading.Lock | int | None = None

    def take(self) -> None:
        """Wait for this thread's turn."""
        thread = threading.get_ident()
        with self._lock:
            holder = self._holder
            if holder is None:
                self._holder = thread
                return
            gate = threading.Lock()
            gate.acquire()
            self._gates.append(gate)
        while not gate.acquire(timeout=self._patience_seconds):
            with self._lock:
                if self._holder is holder:
                    self._pass_on()
                holder = self._holder
        with self._lock:
            if self._holder is gate:
                self._holder = thread

    def leave(self) -> None:
        """End this thread's turn, if it has it: at the end of its work, and before it waits for somebody else."""
        with self._lock:
            if self._holder == threading.get_ident():
                self._pass_on()

    def _pass_on(self) -> None:
        """Make it the turn of who has waited longest; until that thread runs, its gate stands for it."""
        self._holder = None
        if self._gates:
            self._holder = gate = self._gates.popleft()
            gate.release()
