"""What of a request's head Django's pages get: nothing that costs Django more than its length.

Django reads the parameters of a content type and the cookies with Python's ``email`` and ``http.cookies``. Both take
the square of the length for some texts, and some parameters make Django fail before any of its own handlers is there.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, Final, TypeAlias

Environ: TypeAlias = dict[str, Any]
Application: TypeAlias = Callable[[Environ, Callable[..., Any]], Iterable[bytes]]

_MOST_ESCAPES: Final = 500
"""In the cookies of one request. Django's own write tens; Python before 3.11.10 looks through all cookies for each."""


def simplify_heads(application: Application) -> Application:
    """Have ``application`` get a content type without parameters, and no cookies that are expensive to read.

    Forms are UTF-8, whatever they say (as HTML defines them), and a form in parts, which needs a parameter, is refused
    by Django: no page takes uploads.
    """

    def simplified(environ: Environ, start_response: Callable[..., Any]) -> Iterable[bytes]:
        if "CONTENT_TYPE" in environ:
            environ["CONTENT_TYPE"] = environ["CONTENT_TYPE"].partition(";")[0].strip()
        if environ.get("HTTP_COOKIE", "").count("\\") > _MOST_ESCAPES:
            del environ["HTTP_COOKIE"]
        return application(environ, start_response)

    return simplified
