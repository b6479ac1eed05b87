"""Builders of the environ that gunicorn makes of bytes on a socket, in this process."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from gunicorn.config import Config
from gunicorn.http.parser import RequestParser
from gunicorn.http.wsgi import create

from openclaw_webhooks.servers import gunicorn


@dataclass
class Worker:
    """As much of a worker as hooks look at."""

    alive: bool = True
    cfg: Config = field(default_factory=Config)


@dataclass
class Exchange:
    """One request that gunicorn has begun to read."""

    caller: socket.socket
    parser: RequestParser
    request: Any
    environ: dict[str, Any]


@contextlib.contextmanager
def exchange(data: bytes, *, with_hooks: bool = True, worker: Worker | None = None) -> Iterator[Exchange]:
    """Send ``data`` and have gunicorn's own parser and environ made of it."""
    ours, caller = socket.socketpair()
    caller.settimeout(5)
    cfg = Config()
    with ours, caller:
        caller.sendall(data)
        parser = RequestParser(cfg, ours, ("127.0.0.1", 1))
        request = next(parser)
        if with_hooks:
            gunicorn.build_pre_request(is_route=lambda path: path == "/hook")(worker or Worker(), request)
        _, environ = create(request, ours, ("127.0.0.1", 1), ("127.0.0.1", 80), cfg)
        yield Exchange(caller, parser, request, environ)
