"""The fast door: answers the routes' paths outside Django's own handler, and hands every other path to Django.

Django's ASGI handler reads the whole body before any view or middleware runs and spends several times what a route
needs (performance.md: 1,257 requests a second against 8,900 and more).

Runs under any ASGI server; seen under gunicorn's own worker and uvicorn. What happens to a request is in ``exchange``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from openclaw_webhooks.exchange import Application, Receive, Scope, Send

__all__ = ["mount"]


def mount(application: Application) -> Application:
    """Put the routes in front of an ASGI application.

    Use it in ``asgi.py``, around what ``get_asgi_application`` returns. The result answers the ASGI lifespan itself,
    because Django's handler does not know it: at shutdown what was begun is finished and call records are written.
    """
    # Here, because an asgi.py imports this module before it has Django load the apps.
    from openclaw_webhooks import exchange, monitor_door  # noqa: PLC0415

    async def mounted(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await exchange.live(receive, send)
            return
        route = exchange.find_route(scope["path"]) if scope["type"] == "http" else None
        if route is not None:
            await exchange.serve(route, scope, receive, send)
        elif scope["type"] == "http" and monitor_door.is_page(scope["path"]):
            await monitor_door.serve_page(scope, receive, send)
        else:
            await application(scope, receive, send)

    return mounted
