"""Record locks on single bytes of a file, and the mutex made of one.

POSIX locks end with their process, whatever ends it; that is what a dead holder is known by. They also vanish when
*any* descriptor of the file is closed in the process, and do not exclude the threads of one process from each other.
Must not know what the file holds.
"""

from __future__ import annotations

import os
import threading
import time
from fcntl import LOCK_EX, LOCK_NB, LOCK_UN, lockf
from types import TracebackType
from typing import Final

from openclaw_webhooks.exceptions import LimitStoreUnavailable

PATIENCE_SECONDS: Final = 1.5
"""How long a mutex that another process holds is waited for. It is held for microseconds; only a process that was
stopped in that moment holds it longer, and must not stop every event loop of the machine with it. On a machine with far
too much to do a process was seen to get no processor for 0.7 seconds in that moment; and as whoever waits may get none
either, it has had ``_TURNS`` of its own before it gives up."""

_EXCLUSIVE: Final = LOCK_EX | LOCK_NB
_MUTEX_BYTE: Final = 0
_YIELDS: Final = 50
_TURNS: Final = _YIELDS + 10
_TURN_SECONDS: Final = 0.001
_THREADS_FACTOR: Final = 2
"""A thread waits longer for another one, which may itself wait for another process."""


def try_lock(fd: int, first: int, count: int = 1) -> bool:
    """Lock ``count`` bytes from ``first`` for this process, unless another holds one of them."""
    try:
        lockf(fd, _EXCLUSIVE, count, first)
    except BlockingIOError:
        return False
    return True


def is_free(fd: int, first: int, count: int = 1) -> bool:
    """Tell whether no other process locks one of the bytes, none of which this process may hold itself."""
    if count == 0:
        return True
    if try_lock(fd, first, count):
        lockf(fd, LOCK_UN, count, first)
        return True
    return False


class FileMutex:
    """Excludes threads of this process by a lock, and other processes by byte 0 of the file."""

    def __init__(self, fd: int) -> None:
        """Guard the file behind ``fd``; set ``fd`` to -1 once it is closed."""
        self.fd = fd
        self._threads = threading.Lock()
        self._is_patient = True

    def __enter__(self) -> None:
        """Wait for the lock.

        Raises:
            LimitStoreUnavailable: It did not come in ``PATIENCE_SECONDS`` or so, or the file is closed. After the first
                such failure nobody waits again until the lock was had once: one wait is enough for an event loop.
        """
        if not self._threads.acquire(timeout=PATIENCE_SECONDS * _THREADS_FACTOR):
            raise LimitStoreUnavailable("The limit table stays locked by another thread.")
        try:
            try:  # Not ``try_lock``: this is every request's way, and a call costs a tenth of it.
                lockf(self.fd, _EXCLUSIVE, 1, _MUTEX_BYTE)
            except BlockingIOError:
                self._wait()
        except (OSError, ValueError) as error:
            self._threads.release()
            raise LimitStoreUnavailable("The limit table cannot be locked.") from error

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        """Let go; of a file closed meanwhile the kernel already has."""
        self._is_patient = True
        try:
            if self.fd >= 0:
                lockf(self.fd, LOCK_UN, 1, _MUTEX_BYTE)
        finally:
            self._threads.release()

    def _wait(self) -> None:
        # Yielding costs two contending processes 4 microseconds a turn; a blocking lock 7, as it sleeps and is woken.
        # Who holds it longer got no processor: sleeping leaves it one.
        deadline = time.monotonic() + PATIENCE_SECONDS * self._is_patient
        turns = 0
        while not try_lock(self.fd, _MUTEX_BYTE):
            if time.monotonic() > deadline and (turns > _TURNS or not self._is_patient):
                self._is_patient = False
                raise TimeoutError("Another process keeps the lock.")
            turns += 1
            if turns > _YIELDS:
                time.sleep(_TURN_SECONDS)
            else:
                os.sched_yield()
