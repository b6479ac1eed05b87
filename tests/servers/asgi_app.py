"""An ASGI application that the tests serve with a real gunicorn: it says when it begins and how long it takes."""

from __future__ import annotations

import asyncio
import logging
import os
from typing import Any


async def application(scope: Any, receive: Any, send: Any) -> None:
    """Sleep as long as the path says, then answer with the scheme."""
    if scope["type"] == "lifespan":
        await receive()
        await send({"type": f"lifespan.startup.{os.environ.get('TEST_STARTUP', 'complete')}"})
        await receive()
        logging.getLogger(__name__).warning("shut down in order")
        await send({"type": "lifespan.shutdown.complete"})
        return
    await asyncio.sleep(float(scope["path"].lstrip("/") or "0"))
    text = f"{scope['scheme']} {os.getpid()}".encode()
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"%d" % len(text))]})
    await send({"type": "http.response.body", "body": text})
