"""One call over HTTP, as an outside system makes it."""

from __future__ import annotations

import http.client
import socket
from collections.abc import Mapping
from typing import Final

from openclaw_webhooks.conf.server_url import ServerUrl

PATIENCE_SECONDS: Final = 30


class _UnixConnection(http.client.HTTPConnection):
    """HTTP over a unix socket."""

    def __init__(self, path: str) -> None:
        super().__init__("localhost", timeout=PATIENCE_SECONDS)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(PATIENCE_SECONDS)
        self.sock.connect(self._path)


def post(url: ServerUrl, path: str, body: str, headers: Mapping[str, str]) -> tuple[int, bytes]:
    """Post to a path of the server; return status and body of the answer.

    Raises:
        OSError: Nobody answers.
        http.client.HTTPException: What answers is no HTTP.
        ValueError: The path or the host cannot be sent.
    """
    connection = _connect(url)
    try:
        connection.request("POST", url.prefix + path, body, dict(headers))
        response = connection.getresponse()
        return response.status, response.read()
    finally:
        connection.close()


def _connect(url: ServerUrl) -> http.client.HTTPConnection:
    if url.socket_path:
        return _UnixConnection(url.socket_path)
    kind = http.client.HTTPSConnection if url.is_tls else http.client.HTTPConnection
    return kind(url.host, url.port, timeout=PATIENCE_SECONDS)
