"""``DATABASE_URL`` made into an entry of Django's ``DATABASES``, with what this server needs of each database.

Messages never repeat the URL: it may hold a password.
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final, Literal, TypeAlias, cast

import dj_database_url

from project.paths import expand_home

Synchronous: TypeAlias = Literal["NORMAL", "FULL"]
DEFAULT_SYNCHRONOUS: Final[Synchronous] = "NORMAL"

BUSY_TIMEOUT_SECONDS: Final = 10
_CACHE_SIZE: Final = -1024
"""KiB of each connection's page cache, half of SQLite's own: a worker has up to 18 connections, and what one process
writes makes the others' caches void anyway."""
_SCHEMES: Final = {"sqlite": "sqlite", "postgres": "postgresql", "postgresql": "postgresql"}


def parse_synchronous(text: str) -> Synchronous:
    """Parse ``OPENCLAW_WEBHOOKS_SQLITE_SYNCHRONOUS``: NORMAL, or FULL, which survives a power cut and costs speed.

    Raises:
        ValueError: Neither of the two.
    """
    word = text.upper()
    if word not in ("NORMAL", "FULL"):
        raise ValueError(f"must be NORMAL or FULL, not {text!r}")
    return cast("Synchronous", word)


def parse_database(url: str, *, synchronous: Synchronous) -> dict[str, Any]:
    """Parse one database URL.

    Args:
        url: ``sqlite:////absolute/path``, ``sqlite:///relative/path`` or ``postgresql://user:password@host:port/name``.
        synchronous: SQLite's; without meaning for PostgreSQL.

    Returns:
        The entry for ``DATABASES``; connections are persistent.

    Raises:
        ValueError: Not a URL this server can use; the message does not repeat it.
    """
    scheme = _SCHEMES.get(url.partition("://")[0]) if "://" in url else None
    if scheme is None:
        raise ValueError("must start with sqlite:/// or postgresql://")
    try:
        parsed = cast("dict[str, Any]", dj_database_url.parse(url, conn_max_age=None))
    except ValueError:
        raise ValueError("is not a URL: percent-encode special characters of the user name and password") from None
    return _sqlite(parsed, synchronous=synchronous) if scheme == "sqlite" else _postgresql(parsed)


def find_missing_folder(database: Mapping[str, Any]) -> Path | None:
    """Return the folder that a database's file belongs in, where it is missing; ``None`` for a server's database."""
    folder = Path(database["NAME"]).parent
    return folder if "sqlite" in database["ENGINE"] and not folder.is_dir() else None


def _sqlite(parsed: dict[str, Any], *, synchronous: Synchronous) -> dict[str, Any]:
    name = parsed["NAME"]
    if parsed.get("HOST"):
        raise ValueError("sqlite takes three slashes and a path, or four where the path is absolute")
    if not name or name == ":memory:":
        raise ValueError("sqlite needs the path of a file: every worker process must see the same flows")
    path = expand_home(name).absolute()
    if path.is_dir():
        raise ValueError(f"sqlite needs the path of a file, and {str(path)!r} is a folder")
    options = {
        "transaction_mode": "IMMEDIATE",
        "timeout": BUSY_TIMEOUT_SECONDS,
        "init_command": f"PRAGMA journal_mode=WAL; PRAGMA synchronous={synchronous}; PRAGMA cache_size={_CACHE_SIZE};",
    }
    return {**parsed, "NAME": str(path), "OPTIONS": {**parsed.get("OPTIONS", {}), **options}}


def _postgresql(parsed: dict[str, Any]) -> dict[str, Any]:
    if not parsed["NAME"]:
        raise ValueError("postgresql needs the name of a database after the host: postgresql://host:port/name")
    if find_spec("psycopg") is None:
        raise ValueError("postgresql needs the psycopg package: install openclaw-webhooks[postgres]")
    # One ping per request of the admin: a restarted database costs nobody an error page.
    return {**parsed, "CONN_HEALTH_CHECKS": True}
