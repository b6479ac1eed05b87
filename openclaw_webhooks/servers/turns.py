"""Whose turn it is among the threads of a process that all want the interpreter.

Sixteen threads that serve requests at once interrupt each other at every system call, because each lets go of the
interpreter's lock there: a request changed threads 6 to 9 times. Threads that take turns go through a request without a
break. A turn is a courtesy, not a lock: who has waited ``PATIENCE_SECONDS`` goes on without one, so a slow engine, a
slow page and a slow caller hold up nobody by more than that.
"""

from __future__ import annotations

import threading
from typing import Final

PATIENCE_SECONDS: Final = 0.002


class Turns:
    """Safe from any thread; each thread has its turn at most once."""

    def __init__(self, *, patience_seconds: float = PATIENCE_SECONDS) -> None:
        """Let it be nobody's turn."""
        self._patience_seconds = patience_seconds
        self._lock = threading.Lock()
        self._holder = 0

    def take(self) -> None:
        """Wait for this thread's turn, as long as patience lasts."""
        if self._lock.acquire(timeout=self._patience_seconds):
            self._holder = threading.get_ident()

    def leave(self) -> None:
        """End this thread's turn, if it has it: at the end of its work, and before it waits for somebody else."""
        if self._holder == threading.get_ident():
            self._holder = 0
            self._lock.release()
