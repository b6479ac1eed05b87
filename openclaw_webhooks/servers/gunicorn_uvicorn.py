"""A worker of gunicorn's that serves ASGI with uvicorn, whose parser is C.

In ``gunicorn.conf.py``::

    worker_class = "openclaw_webhooks.servers.gunicorn_uvicorn.UvicornWorker"

Gunicorn's settings mean what they mean under its own ASGI worker: ``keepalive``, ``graceful_timeout``,
``asgi_lifespan``, ``max_requests``, the TLS ones. What bounds a connection is in ``servers.http_protocol``, what bounds
all of a worker's together in ``servers.connection_watch``.

Source: gunicorn 27.0, ``workers/base.py``; uvicorn 0.54, ``server.py``.
"""

from __future__ import annotations

import asyncio
import logging
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any, Final, cast

from gunicorn.sock import ssl_context  # type: ignore[import-untyped]
from gunicorn.workers.base import Worker  # type: ignore[import-untyped]
from uvicorn import Config, Server

from openclaw_webhooks.servers.connection_watch import ConnectionLimits, ConnectionWatch
from openclaw_webhooks.servers.connections import most_connections
from openclaw_webhooks.servers.http_protocol import build_http_protocol
from openclaw_webhooks.servers.scheduling import interrupt_nobody

__all__ = ["UvicornWorker"]

_RESERVED_DESCRIPTORS: Final = 128
"""What a worker opens beside connections: the database's files in each thread, the limits, sockets, logs."""


class UvicornWorker(Worker):  # type: ignore[misc]
    """Runs one uvicorn server on gunicorn's sockets, in the worker's main thread.

    Attributes:
        server: From ``run`` on.
    """

    server: _WorkerServer | None = None

    def run(self) -> None:
        """Serve until the worker is told to stop."""
        interrupt_nobody()
        # Its own tidings at INFO (started, waiting, finished) are gunicorn's to tell.
        logging.getLogger("uvicorn.error").setLevel(logging.WARNING)
        config = self._build_config()
        self.server = _WorkerServer(config, self)
        with asyncio.Runner(loop_factory=config.get_loop_factory()) as runner:
            runner.run(self.server.serve(sockets=[listener.sock for listener in self.sockets]))

    def handle_quit(self, _signal: int, _frame: FrameType | None) -> None:
        """Stop at once (SIGQUIT, SIGINT)."""
        self.alive = False
        if self.server is not None:
            self.server.force_exit = True
            self.server.config.timeout_graceful_shutdown = 0
        self.cfg.worker_int(self)

    def is_trusted(self, peer: str | None) -> bool:
        """Tell by a peer's address whether it stands for many clients: its connections give way after all others.

        To be overridden where a proxy is in front. ``None`` is a peer on a unix socket.
        """
        return peer is None

    def _build_watch(self) -> ConnectionWatch:
        limits = ConnectionLimits(connections=most_connections(reserve=_RESERVED_DESCRIPTORS))
        return ConnectionWatch(limits, is_trusted=self.is_trusted)

    def _build_config(self) -> Config:
        cfg = self.cfg
        return Config(
            self.wsgi,
            http=cast("Any", build_http_protocol(self._build_watch())),
            ws="none",
            interface="asgi3",
            lifespan=cfg.asgi_lifespan,
            log_config=None,
            access_log=False,
            proxy_headers=False,
            server_header=False,
            backlog=cfg.backlog,
            timeout_keep_alive=cfg.keepalive,
            timeout_graceful_shutdown=cfg.graceful_timeout,
            limit_max_requests=None if self.max_requests == sys.maxsize else self.max_requests,
            ssl_context_factory=(lambda *_: ssl_context(cfg)) if cfg.is_ssl else None,
        )


class _WorkerServer(Server):
    """Lives as long as its worker, and lets gunicorn's master know that it does."""

    def __init__(self, config: Config, worker: Any) -> None:
        super().__init__(config)
        self._worker = worker

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave signals to the worker."""
        yield

    async def on_tick(self, counter: int) -> bool:
        """Tell whether to stop; called ten times a second."""
        if counter % 10 == 0:
            self._worker.notify()
        is_orphan = self._worker.ppid != os.getppid()
        return await super().on_tick(counter) or is_orphan or not self._worker.alive
