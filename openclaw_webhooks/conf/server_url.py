"""Where the project's own server listens, for commands that call it.

Imports no Django.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

from openclaw_webhooks.conf.fields import Fields

URL_RULE: Final = "must be http://HOST:PORT, https://HOST:PORT or unix:///path/of/socket"


@dataclass(frozen=True, slots=True)
class ServerUrl:
    """An address of HTTP: a unix socket, or host, port and what the paths of routes are put after.

    Attributes:
        port: ``None`` for the scheme's own.
    """

    text: str
    socket_path: str = ""
    host: str = ""
    port: int | None = None
    is_tls: bool = False
    prefix: str = ""

    def __str__(self) -> str:
        """Return it as it was written."""
        return self.text


DEFAULT_SERVER_URL: Final = ServerUrl("http://127.0.0.1:8787", host="127.0.0.1", port=8787)


def parse_server_url(text: str) -> ServerUrl:
    """Read a URL of a server.

    Raises:
        ValueError: It is none; the message says what one looks like.
    """
    try:
        parts = urlsplit(text.strip())
        port = parts.port
    except ValueError:
        raise ValueError(URL_RULE) from None
    if parts.scheme == "unix" and parts.path.startswith("/") and not parts.netloc:
        return ServerUrl(text, socket_path=parts.path)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError(URL_RULE)
    is_tls = parts.scheme == "https"
    return ServerUrl(text, host=parts.hostname, port=port, is_tls=is_tls, prefix=parts.path.rstrip("/"))


def read_server_url(fields: Fields, name: str) -> ServerUrl:
    """Read a setting; the default where there is none, or a faulty one."""
    text = fields.text(name)
    if not text:
        return DEFAULT_SERVER_URL
    try:
        return parse_server_url(text)
    except ValueError as error:
        fields.report(name, str(error))
        return DEFAULT_SERVER_URL
