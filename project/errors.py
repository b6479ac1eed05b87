"""What a page of the stand-alone server says when it fails: the cause, where it is one that an operator can mend."""

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
    return HttpResponse("Server Error\n", status=500, content_type="text/plain; charset=utf-8")
