"""The pages of ``monitoring.pages`` over ASGI, beside the routes, and as a Django view."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import Future
from typing import Final

from django.http import HttpRequest, HttpResponse

from openclaw_webhooks.effects import Answer
from openclaw_webhooks.exchange import Receive, Scope, Send, build_head
from openclaw_webhooks.runtime import get_runtime
from openclaw_webhooks.servers.asgi_answer import send_answer
from openclaw_webhooks.servers.wsgi_stream import close_connection_after
from openclaw_webhooks.views import build_head_of

PATIENCE_SECONDS: Final = 10.0
"""How long a caller waits for an answer that is being made: longer than each probe and store may take."""
_BUSY: Final = Answer(
    status=503,
    headers=(("content-type", "text/plain; charset=utf-8"), ("retry-after", "1")),
    body=b"Service Unavailable\n",
)


def is_page(path: str) -> bool:
    """Tell whether a request path is one that monitoring answers."""
    return path in get_runtime().pages.paths


async def serve_page(scope: Scope, receive: Receive, send: Send) -> None:
    """Answer over ASGI. No caller holds a thread, and a body is never read."""
    answer = get_runtime().pages.request(scope["path"], build_head(scope))
    await send_answer(await _await(answer) if isinstance(answer, Future) else answer, scope, receive, send)


async def _await(making: Future[Answer]) -> Answer:
    try:
        async with asyncio.timeout(PATIENCE_SECONDS):
            # Others wait for it too: a caller that leaves stops nothing.
            return await asyncio.shield(asyncio.wrap_future(making))
    except TimeoutError:
        return _BUSY


def view_of_page(path: str) -> Callable[[HttpRequest], HttpResponse]:
    """Return the Django view of one page."""

    def view(request: HttpRequest) -> HttpResponse:
        answer = get_runtime().pages.answer(path, build_head_of(request))
        response = HttpResponse(answer.body, status=answer.status)
        for name, value in answer.headers:
            response[name.title()] = value
        response["Content-Length"] = str(len(answer.body))
        close_connection_after(response, request.META)
        return response

    # A scraper has no session and no cookie that a forged request could use.
    view.csrf_exempt = True  # type: ignore[attr-defined]
    return view
