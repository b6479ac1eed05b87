"""Django's own password hash, computed by one thread of the process at a low priority.

A hash takes a third of a second of a core. Forty callers of a login page would have a worker compute forty at once, and
its routes wait for the processor among them.
"""

from __future__ import annotations

import os
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Final

from django.contrib.auth.hashers import PBKDF2PasswordHasher

__all__ = ["OneAtATimePBKDF2PasswordHasher"]

_NICENESS: Final = 10
"""Routes go first. At 19 a hash took over 12 seconds on a busy machine, where nobody could sign in to see why."""


class OneAtATimePBKDF2PasswordHasher(PBKDF2PasswordHasher):
    """For ``PASSWORD_HASHERS``. Its hashes are those of ``PBKDF2PasswordHasher``: either reads what the other wrote."""

    def encode(self, password: str, salt: str, iterations: int | None = None) -> str:
        """Compute a hash once those asked for before are done. OpenSSL lets go of the interpreter meanwhile."""
        return _turns.executor.submit(super().encode, password, salt, iterations).result()


class _Turns:
    """The one thread; it starts with the first hash."""

    def __init__(self) -> None:
        self.begin()

    def begin(self) -> None:
        """Have no thread yet; also in a forked child, which inherits none."""
        self.executor = ThreadPoolExecutor(1, thread_name_prefix="password", initializer=_lower_priority)


def _lower_priority() -> None:
    """Let every other thread go first. Only under Linux has a thread a priority of its own."""
    if sys.platform == "linux":
        with suppress(OSError):
            os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), _NICENESS)


_turns: Final = _Turns()
os.register_at_fork(after_in_child=_turns.begin)
