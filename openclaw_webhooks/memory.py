"""What the C library keeps of freed memory, and how to make that less. Knows glibc; elsewhere it does nothing.

Source: mallopt(3), malloc_trim(3).
"""

from __future__ import annotations

import ctypes
from contextlib import suppress
from typing import Final

_M_ARENA_MAX: Final = -8
"""Of ``mallopt``, in glibc's ``malloc.h``."""
_ARENAS: Final = 2


def share_arenas() -> None:
    """Have all threads to come share two arenas.

    With one each, ten threads kept 16 MB of a worker for good, each the room that its connection's page cache once had.
    """
    with suppress(AttributeError, OSError):
        ctypes.CDLL(None).mallopt(_M_ARENA_MAX, _ARENAS)


def give_back() -> None:
    """Return to the system what was freed between what is still in use: 3 to 4 MB of a worker after a rush."""
    with suppress(AttributeError, OSError):
        ctypes.CDLL(None).malloc_trim(0)
