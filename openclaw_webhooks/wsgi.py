"""Mounts the routes into a WSGI application: their views are called past Django's own handler.

The handler sends two signals a request, which look after connections that the engine looks after itself, and takes the
request through every layer of a project's middleware: a fifth of what a route costs under WSGI.

What happens to a request is in ``views``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from functools import cache
from typing import Any, TypeAlias

from django.core.handlers.exception import convert_exception_to_response
from django.core.handlers.wsgi import WSGIRequest, get_path_info
from django.http.response import HttpResponse

__all__ = ["mount"]

Environ: TypeAlias = dict[str, Any]
StartResponse: TypeAlias = Callable[..., Any]
Application: TypeAlias = Callable[[Environ, StartResponse], Iterable[bytes]]


def mount(application: Application) -> Application:
    """Put the routes in front of a WSGI application.

    Use it in ``wsgi.py``, around what ``get_wsgi_application`` returns. A route then answers whatever the Host header
    says, and ``request_started`` and ``request_finished`` are not sent for it. An exception becomes Django's own 500,
    logged and announced as always.
    """
    # Here, because a wsgi.py imports this module before it has Django load the apps.
    from openclaw_webhooks import monitor_door, runtime, views  # noqa: PLC0415

    @cache
    def prepare(find_view: Callable[[Any], Any], subject: Any) -> Any:
        return convert_exception_to_response(find_view(subject))

    def mounted(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        path = get_path_info(environ)
        route = runtime.get_runtime().routes.get(path)
        if route is not None:
            respond = prepare(views.view_of, route)
        elif monitor_door.is_page(path):
            respond = prepare(monitor_door.view_of_page, path)
        else:
            return application(environ, start_response)
        _drop_parameters(environ)
        response: HttpResponse = respond(WSGIRequest(environ))
        start_response(f"{response.status_code} {response.reason_phrase}", list(response.items()))
        return _Body(response)

    return mounted


def _drop_parameters(environ: Environ) -> None:
    """Leave the media type, which is all that a route looks at.

    Django reads the parameters first of all: some make it fail, others take the square of their length.
    """
    if "CONTENT_TYPE" in environ:
        environ["CONTENT_TYPE"] = environ["CONTENT_TYPE"].partition(";")[0]


class _Body:
    """What the server sends and then closes: Django's own response would send ``request_finished`` there."""

    __slots__ = ("_response",)

    def __init__(self, response: HttpResponse) -> None:
        self._response = response

    def __iter__(self) -> Iterator[bytes]:
        return iter((self._response.content,))

    def close(self) -> None:
        """Let go of what the response holds, such as a connection that is to end."""
        for close in self._response._resource_closers:  # type: ignore[attr-defined]
            close()
