"""Work that goes on beside requests, such as probes: how it is begun."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TypeAlias

from django.db import connections

Begin: TypeAlias = Callable[[str, Callable[[], None]], None]
"""Begins work that is called so; the work raises nothing. May have done it by the time it returns."""


def begin_in_thread(name: str, work: Callable[[], None]) -> None:
    """Begin the work in a thread of its own, whose connections end with it.

    Raises:
        RuntimeError: The system has no thread to spare.
    """
    threading.Thread(target=_do, args=(work,), name=f"openclaw-webhooks-{name}", daemon=True).start()


def _do(work: Callable[[], None]) -> None:
    try:
        work()
    finally:
        connections.close_all()
