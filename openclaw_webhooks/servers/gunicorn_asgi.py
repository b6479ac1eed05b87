"""The one thing the ASGI door has to know of gunicorn's inside: how to have a connection closed.

ASGI has no word for it but the answer's ``Connection: close``, which uvicorn and hypercorn obey. Gunicorn's ASGI worker
passes that header on and keeps the connection all the same.

Source: gunicorn 27.0, ``asgi/protocol.py``.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


def forbid_reuse(receive: Callable[[], Any]) -> None:
    """Have the connection behind an ASGI ``receive`` closed after the answer; does nothing under other servers.

    To be called before the answer starts. Gunicorn reads its ``keepalive`` setting once per connection and closes
    after an answer where that is 0.
    """
    protocol: Any = getattr(getattr(receive, "__self__", None), "protocol", None)
    if hasattr(protocol, "_keepalive"):
        protocol._keepalive = 0
