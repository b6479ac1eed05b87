"""The settings of the bridge to a Gateway.

Imports no Django: the stand-alone server judges its variables by the same rules before Django is set up.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

from openclaw_webhooks.conf.fields import Fields

_LOOPBACK: Final = frozenset({"127.0.0.1", "localhost", "::1"})
_SOCKET_PATH_MAX_BYTES: Final = 107
HEADER_VALUE_RULE: Final = "must be 16 to 256 characters of A-Z a-z 0-9 . _ ~ + / = -"
_HOST_TOKEN = re.compile(r"[A-Za-z0-9._~+/=-]{16,256}\Z")


@dataclass(frozen=True, slots=True)
class BridgeAddress:
    """Where the Gateway's bridge listens: a unix socket, or a port of this machine."""

    socket_path: str = ""
    host: str = ""
    port: int = 0

    def __str__(self) -> str:
        """Return the address as it is configured."""
        return f"unix://{self.socket_path}" if self.socket_path else f"http://{self.host}:{self.port}"


def parse_bridge_url(text: str) -> BridgeAddress:
    """Read ``unix:///path`` or ``http://127.0.0.1:PORT``.

    Raises:
        ValueError: It is neither; the message says what one looks like.
    """
    try:
        parts = urlsplit(text.strip())
        port = parts.port
    except ValueError:
        raise ValueError("is not a URL") from None
    if parts.scheme == "unix" and parts.path.startswith("/") and not parts.netloc:
        if len(parts.path.encode()) > _SOCKET_PATH_MAX_BYTES:
            raise ValueError(f"the path of a unix socket has at most {_SOCKET_PATH_MAX_BYTES} bytes")
        return BridgeAddress(socket_path=parts.path)
    if parts.scheme == "http" and parts.hostname in _LOOPBACK and port and parts.path in ("", "/"):
        return BridgeAddress(host=parts.hostname, port=port)
    raise ValueError("must be unix:///path/of/bridge.sock or http://127.0.0.1:PORT, on this machine")


def is_host_token(text: str) -> bool:
    """Tell whether a text can be a token that is sent in a header."""
    return _HOST_TOKEN.match(text) is not None


def read_host_token(fields: Fields, name: str) -> str | None:
    """Read the token by which a hosting Gateway proves itself, where one is given."""
    if not fields.has(name) or fields.raw[name] is None:
        return None
    text = fields.text(name)
    if is_host_token(text):
        return text
    fields.report(name, HEADER_VALUE_RULE)
    return None


def read_bridge_token(fields: Fields, name: str) -> str | Mapping[str, object] | None:
    """Read the secret as configured; it is parsed with the configuration file, whose providers it may refer to."""
    token = fields.raw[name] if fields.has(name) else None
    if token is None or isinstance(token, (str, Mapping)):
        return token
    fields.report(name, "must be a string or a SecretRef object")
    return None


def read_bridge_url(fields: Fields, name: str) -> BridgeAddress | None:
    """Read the address where one is given."""
    if not fields.has(name) or fields.raw[name] is None:
        return None
    text = fields.text(name)
    try:
        return parse_bridge_url(text)
    except ValueError as error:
        fields.report(name, str(error))
        return None
