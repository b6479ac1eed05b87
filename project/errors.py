"""What a page of the stand-alone server says when it refuses or fails: the cause, where an operator can mend it.

Django's own pages for refusals look for a CSRF token in the body: where the body is what is refused, that fails again,
and the caller's mistake becomes a 500 with a traceback.
"""

from __future__ import annotations

import sys
from typing import Final

from django.db import DatabaseError, InterfaceError, OperationalError
from django.http import HttpRequest, HttpResponse

_DATABASE: Final = (
    "The database does not answer. Look whether it runs and is whole, and whether DATABASE_URL is right; "
    "/readyz tells when it is back.\n"
)


def serve_error(request: HttpRequest) -> HttpResponse:  # noqa: ARG001 - Django's ``handler500``
    """Answer 503 for a database that is away, else 500; the log has the traceback."""
    error = sys.exc_info()[1]
    # SQLite says of a file that is no database no more than this.
    is_broken = type(error) is DatabaseError
    if is_broken or isinstance(error, OperationalError | InterfaceError):
        return HttpResponse(
            _DATABASE, status=503, content_type="text/plain; charset=utf-8", headers={"Retry-After": "5"}
        )
    return _build_text(500, "Server Error")


def serve_bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:  # noqa: ARG001 - ``handler400``
    """Answer 400."""
    return _build_text(400, "Bad Request")


def serve_forbidden(request: HttpRequest, exception: Exception) -> HttpResponse:  # noqa: ARG001 - ``handler403``
    """Answer 403."""
    return _build_text(403, "Forbidden")


def serve_not_found(request: HttpRequest, exception: Exception) -> HttpResponse:  # noqa: ARG001 - ``handler404``
    """Answer 404."""
    return _build_text(404, "Not Found")


def _build_text(status: int, text: str) -> HttpResponse:
    return HttpResponse(f"{text}\n", status=status, content_type="text/plain; charset=utf-8")
