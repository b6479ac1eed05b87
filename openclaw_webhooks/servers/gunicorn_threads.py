"""A worker of gunicorn's whose threads stay with a caller that sends its next request at once.

Gunicorn's own ``gthread`` hands a connection back to its main thread after each answer, and gets it from there with the
next request: two changes of thread and some twenty system calls a request. A reverse proxy and a busy caller send
their next request within a millisecond, so the thread has a short look first. In ``gunicorn.conf.py``::

    worker_class = "openclaw_webhooks.servers.gunicorn_threads.StayingThreadWorker"

Source: gunicorn 27.0, ``workers/gthread.py``.
"""

from __future__ import annotations

import select
from typing import Any, Final

from gunicorn.workers.gthread import ThreadWorker  # type: ignore[import-untyped]

STAY_MS: Final = 2
"""How long a thread waits for a next request: some times what a caller on this machine or network takes to send it."""


class StayingThreadWorker(ThreadWorker):  # type: ignore[misc]
    """``gthread``, but for the turns in between; limits, timeouts and the way to stop are its own."""

    def handle(self, conn: Any) -> Any:
        """Serve one request, and those that follow at once as long as no other caller waits for a thread."""
        result = super().handle(conn)
        while result is True and self._may_stay() and _has_next_request(conn):
            result = super().handle(conn)
        return result

    def _may_stay(self) -> bool:
        return bool(self.alive) and self.tpool._work_queue.empty()


def _has_next_request(conn: Any) -> bool:
    """Tell whether a request, or its beginning, is there or comes within ``STAY_MS``."""
    if conn.parser.unreader.buf.getvalue():
        return True
    poll = select.poll()
    poll.register(conn.sock, select.POLLIN)
    return bool(poll.poll(STAY_MS))
