"""A request of the ASGI door as Django's WSGI handler takes it, equal to what the WSGI door makes of the same bytes.

Source: PEP 3333, "environ Variables"; ASGI 3.0, "HTTP connection scope"; gunicorn 27.0, ``http/wsgi.py``.
"""

from __future__ import annotations

import io
import sys
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote_to_bytes
from wsgiref.util import FileWrapper

from openclaw_webhooks.guards.client_address import find_peer

if TYPE_CHECKING:
    from openclaw_webhooks.exchange import Scope


def build_environ(scope: Scope, body: bytes) -> dict[str, Any]:
    """Make the WSGI environment of an ASGI scope.

    Args:
        scope: Of an HTTP request.
        body: All of it; its length is the request's.
    """
    script_name = _to_wsgi_text(scope.get("root_path", ""))
    host, port = scope.get("server") or ("localhost", None)
    return {
        **_build_fields(scope["headers"]),
        **({"CONTENT_LENGTH": str(len(body))} if body else {}),
        "REQUEST_METHOD": scope["method"],
        "SCRIPT_NAME": script_name,
        "PATH_INFO": _find_path(scope).removeprefix(script_name),
        "QUERY_STRING": scope["query_string"].decode("latin-1"),
        "SERVER_NAME": host,
        "SERVER_PORT": str(port or 0),
        "SERVER_PROTOCOL": f"HTTP/{scope['http_version']}",
        "REMOTE_ADDR": find_peer(scope.get("client"), scope.get("server")) or "",
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": scope.get("scheme", "http"),
        "wsgi.input": io.BytesIO(body),
        "wsgi.errors": sys.stderr,
        "wsgi.multithread": True,
        "wsgi.multiprocess": True,
        "wsgi.run_once": False,
        "wsgi.file_wrapper": FileWrapper,
    }


def _find_path(scope: Scope) -> str:
    """Return the path, decoded byte by byte where the server tells it as it was sent."""
    raw_path: bytes | None = scope.get("raw_path")
    return _to_wsgi_text(scope["path"]) if raw_path is None else unquote_to_bytes(raw_path).decode("latin-1")


def _to_wsgi_text(text: str) -> str:
    return text.encode("utf-8").decode("latin-1")


def _build_fields(headers: Iterable[tuple[bytes, bytes]]) -> dict[str, str]:
    """Join repeated fields by commas, and drop names that another field's name could be mistaken for."""
    fields: dict[str, str] = {}
    for raw_name, raw_value in headers:
        name, value = raw_name.decode("latin-1"), raw_value.decode("latin-1")
        # The body is here, decoded and counted.
        if "_" in name or name in ("content-length", "transfer-encoding"):
            continue
        key = "CONTENT_TYPE" if name == "content-type" else f"HTTP_{name.upper().replace('-', '_')}"
        fields[key] = f"{fields[key]},{value}" if key in fields else value
    return fields
