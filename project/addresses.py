"""Where the server listens: ``host:port``, ``[ipv6]:port`` or ``unix:/path``, and how a caller writes that address."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from project.paths import expand_home

_HOST_AND_PORT: Final = re.compile(r"(?P<host>\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9.-]+):(?P<port>[0-9]{1,5})\Z")
_EVERY_ADDRESS: Final = {"0.0.0.0": "127.0.0.1", "[::]": "[::1]"}  # noqa: S104 - compared with, not bound to
_UNIX_PATH_MAX_BYTES: Final = 107
"""What fits into ``sockaddr_un``; a longer path fails with words that help nobody."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Bind:
    """A TCP address, or the path of a unix socket (then ``host`` is empty and ``port`` 0)."""

    host: str = ""
    port: int = 0
    unix_path: Path | None = None

    @property
    def gunicorn_value(self) -> str:
        """The address as gunicorn's ``bind`` wants it."""
        return f"unix:{self.unix_path}" if self.unix_path else f"{self.host}:{self.port}"

    @property
    def url_host(self) -> str:
        """A host name under which this machine reaches the server."""
        return "localhost" if self.unix_path else _EVERY_ADDRESS.get(self.host, self.host)

    @property
    def base_url(self) -> str:
        """Scheme, host and port for a URL that is pasted on this machine."""
        return "http://localhost" if self.unix_path else f"http://{self.url_host}:{self.port}"

    @property
    def server_url(self) -> str:
        """The address as ``SERVER_URL`` takes it."""
        return f"unix://{self.unix_path}" if self.unix_path else self.base_url


def parse_binds(text: str) -> tuple[Bind, ...]:
    """Parse several addresses, separated by commas.

    Raises:
        ValueError: One of them is none; the message says what one looks like.
    """
    return tuple(parse_bind(part.strip()) for part in text.split(","))


def parse_bind(text: str) -> Bind:
    """Parse ``OPENCLAW_WEBHOOKS_BIND``.

    Raises:
        ValueError: Not an address; the message says what one looks like.
    """
    if text.startswith("unix:"):
        return _parse_unix(text.removeprefix("unix:"))
    match = _HOST_AND_PORT.match(text)
    if match is None or not 1 <= int(match["port"]) <= 65535:
        raise ValueError(f"must be HOST:PORT (a port from 1 to 65535) or unix:/path, not {text!r}")
    return Bind(host=match["host"], port=int(match["port"]))


def _parse_unix(text: str) -> Bind:
    path = expand_home(text)
    if not path.is_absolute():
        raise ValueError(f"must name an absolute path after unix:, not {text!r}")
    if len(bytes(path)) > _UNIX_PATH_MAX_BYTES:
        raise ValueError(f"the path of a unix socket has at most {_UNIX_PATH_MAX_BYTES} bytes")
    if not path.parent.is_dir():
        raise ValueError(f"the folder {str(path.parent)!r} of the unix socket does not exist")
    return Bind(unix_path=path)
