"""The pages of ``monitoring.pages`` over ASGI, beside the routes, and as a Django view."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from django.http import HttpRequest, HttpResponse

from openclaw_webhooks.effects import Answer
from openclaw_webhooks.exchange import Scope, Send, build_head
from openclaw_webhooks.monitoring.pages import ALIVE, HEALTH_PATH
from openclaw_webhooks.runtime import get_runtime
from openclaw_webhooks.views import build_head as build_wsgi_head


def is_page(path: str) -> bool:
    """Tell whether a request path is one that monitoring answers."""
    return path in get_runtime().pages.paths


async def serve_page(scope: Scope, send: Send) -> None:
    """Answer over ASGI. That the process is alive is said without a thread: they may all be busy."""
    path, head = scope["path"], build_head(scope)
    is_alive = path == HEALTH_PATH and head.method in ("GET", "HEAD")
    answer = ALIVE if is_alive else await asyncio.to_thread(get_runtime().pages.answer, path, head)
    headers = [(name.encode("ascii"), value.encode("latin-1")) for name, value in _headers_of(answer)]
    await send({"type": "http.response.start", "status": answer.status, "headers": headers})
    await send({"type": "http.response.body", "body": b"" if head.method == "HEAD" else answer.body})


def view_of_page(path: str) -> Callable[[HttpRequest], HttpResponse]:
    """Return the Django view of one page."""

    def view(request: HttpRequest) -> HttpResponse:
        answer = get_runtime().pages.answer(path, build_wsgi_head(request.META))
        response = HttpResponse(answer.body, status=answer.status)
        for name, value in _headers_of(answer):
            response[name.title()] = value
        return response

    # A scraper has no session and no cookie that a forged request could use.
    view.csrf_exempt = True  # type: ignore[attr-defined]
    return view


def _headers_of(answer: Answer) -> tuple[tuple[str, str], ...]:
    return (*answer.headers, ("content-length", str(len(answer.body))))
