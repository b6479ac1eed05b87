"""The environment variables of the stand-alone server, parsed into true types or into a list of problems.

Owns the names, the defaults and the wording of what is wrong. Reads no file, imports no Django and takes the
environment as an argument; ``project.settings`` is the one caller that passes the real one.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final, Literal, TypeAlias, TypeVar, cast
from urllib.parse import quote

from openclaw_webhooks.conf.bridge import HEADER_VALUE_RULE, is_host_token, parse_bridge_url
from openclaw_webhooks.conf.limits import RedisUrl, parse_redis_url
from openclaw_webhooks.conf.monitoring import CallLog
from openclaw_webhooks.conf.settings import SchemaPages
from openclaw_webhooks.secrets.refs import holds_reference
from openclaw_webhooks.servers.scheduling import usable_cpus
from project.addresses import Bind, parse_binds
from project.databases import DEFAULT_SYNCHRONOUS, parse_database, parse_synchronous
from project.log_lines import LogFormat
from project.paths import expand_home

Interface: TypeAlias = Literal["asgi", "wsgi"]
Engine: TypeAlias = Literal["embedded", "bridge"]
T = TypeVar("T")

_DEFAULT_BINDS: Final[tuple[Bind, ...]] = (Bind(host="127.0.0.1", port=8787),)
LOCAL_HOSTS: Final = ("localhost", "127.0.0.1", "[::1]")
MAX_WORKERS: Final = 256
MAX_THREADS: Final = 1024
_TRUE: Final = frozenset({"1", "true", "yes", "on"})
_FALSE: Final = frozenset({"0", "false", "no", "off"})


@dataclass(frozen=True, slots=True)
class EnvironmentProblem:
    """One wrong variable. ``message`` never repeats a value that may hold a password."""

    variable: str
    message: str

    def __str__(self) -> str:
        """Be the one line that the operator reads."""
        return f"{self.variable}: {self.message}"


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerEnvironment:
    """Everything the environment decides.

    Attributes:
        binds: Where the server listens; the first is the address that it tells.
        workers: Number of worker processes.
        cpu_affinity: Whether each worker keeps to a processor, where all get as many.
        cpus_left: How many processors are left to a Gateway that hosts this server: it has one thread, and the workers
            wait for it. Under ``wsgi`` none, as the DRF view needs more of them than the Gateway does.
        threads: Engine threads of a worker (ASGI), or its request threads (WSGI).
        data_folder: Absolute; holds the database, the secret key and the starter configuration.
        database: An entry of Django's ``DATABASES``; holds the database's password.
        secret_key: Django's, or ``None`` where one is kept in the data folder.
        allowed_hosts: Host names under which the admin answers. The routes answer under any.
        redis_url: The server that several machines share for the request limits; may hold a password.
        limits_fail_open: Whether requests pass uncounted while that server does not answer.
        rate_limit_headers: Whether answers tell callers what is left of their limit.
        bridge_url: Where the Gateway's bridge listens.
        bridge_token: What it wants to be presented, perhaps as ``${NAME}`` of another variable.
        host_token: What the Gateway that hosts this server proves itself with.
        metrics: Whether metrics are offered.
        metrics_token: What a scraper presents.
        monitoring_networks: Addresses that see metrics without it, and what is not ready.
        call_log: Which calls are logged.
        log_format: How lines of the log are written.
        traces: Whether spans are made.
        schema_pages: Who sees the pages of the OpenAPI document.
    """

    binds: tuple[Bind, ...]
    workers: int
    cpu_affinity: bool
    cpus_left: int
    threads: int
    interface: Interface
    data_folder: Path
    engine: Engine
    database: dict[str, Any] = field(repr=False)
    secret_key: str | None = field(repr=False)
    allowed_hosts: tuple[str, ...]
    debug: bool
    redis_url: RedisUrl | None = field(repr=False)
    limits_fail_open: bool
    rate_limit_headers: bool
    bridge_url: str | None
    bridge_token: str | None = field(repr=False)
    host_token: str | None = field(repr=False)
    metrics: bool
    metrics_token: str = field(repr=False)
    monitoring_networks: tuple[str, ...]
    call_log: CallLog
    log_format: LogFormat
    traces: bool
    schema_pages: SchemaPages


class _Reader:
    """Reads variables one by one and gathers what is wrong with them. Blank counts as not given."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        self._environ = environ
        self.problems: list[EnvironmentProblem] = []

    def read(self, name: str, parse: Callable[[str], T], *, default: T) -> T:
        """Return the parsed value, or the default where the variable is absent, blank or (then noted) wrong."""
        text = self._environ.get(name, "").strip()
        if not text:
            return default
        try:
            text.encode()
            return parse(text)
        except UnicodeEncodeError:  # bytes that are no UTF-8 stand in a text of Python's as surrogates
            self.problems.append(EnvironmentProblem(name, "must be UTF-8"))
        except ValueError as error:
            self.problems.append(EnvironmentProblem(name, str(error)))
        return default


def parse_environment(environ: Mapping[str, str]) -> ServerEnvironment | list[EnvironmentProblem]:
    """Parse all variables of the server.

    Args:
        environ: The process's environment.

    Returns:
        The environment, or every problem at once.
    """
    reader = _Reader(environ)
    binds = reader.read("OPENCLAW_WEBHOOKS_BIND", parse_binds, default=_DEFAULT_BINDS)
    data_folder = reader.read("OPENCLAW_WEBHOOKS_DATA_DIR", _parse_folder, default=Path("data").absolute())
    host_token = reader.read("OPENCLAW_WEBHOOKS_HOST_TOKEN", _parse_host_token, default=None)
    interface: Interface = reader.read("OPENCLAW_WEBHOOKS_INTERFACE", _parse_interface, default="asgi")
    cpus_left = 1 if host_token is not None and interface == "asgi" else 0
    workers = max(1, count_cores() - cpus_left)
    server = ServerEnvironment(
        binds=binds,
        workers=reader.read("OPENCLAW_WEBHOOKS_WORKERS", _count(MAX_WORKERS), default=workers),
        cpu_affinity=reader.read("OPENCLAW_WEBHOOKS_CPU_AFFINITY", _parse_switch, default=True),
        cpus_left=cpus_left,
        threads=reader.read("OPENCLAW_WEBHOOKS_THREADS", _count(MAX_THREADS), default=16),
        interface=interface,
        data_folder=data_folder,
        engine=reader.read("OPENCLAW_WEBHOOKS_ENGINE", _parse_engine, default="embedded"),
        database=_read_database(reader, data_folder),
        secret_key=reader.read("SECRET_KEY", _parse_secret_key, default=None),
        allowed_hosts=reader.read("ALLOWED_HOSTS", _parse_hosts, default=_default_hosts(binds)),
        debug=reader.read("DEBUG", _parse_switch, default=False),
        redis_url=reader.read("REDIS_URL", _parse_redis, default=None),
        limits_fail_open=reader.read("OPENCLAW_WEBHOOKS_LIMITS_FAIL_OPEN", _parse_switch, default=False),
        rate_limit_headers=reader.read("OPENCLAW_WEBHOOKS_RATE_LIMIT_HEADERS", _parse_switch, default=False),
        bridge_url=reader.read("OPENCLAW_WEBHOOKS_BRIDGE_URL", _parse_bridge_url, default=None),
        bridge_token=reader.read("OPENCLAW_WEBHOOKS_BRIDGE_TOKEN", str, default=None),
        host_token=host_token,
        metrics=reader.read("OPENCLAW_WEBHOOKS_METRICS", _parse_switch, default=False),
        metrics_token=reader.read("OPENCLAW_WEBHOOKS_METRICS_TOKEN", str, default=""),
        monitoring_networks=reader.read("OPENCLAW_WEBHOOKS_MONITORING_NETWORKS", _parse_list, default=()),
        call_log=reader.read("OPENCLAW_WEBHOOKS_CALL_LOG", _parse_call_log, default=CallLog.REFUSED),
        log_format=reader.read("OPENCLAW_WEBHOOKS_LOG_FORMAT", _parse_log_format, default="key_value"),
        traces=reader.read("OPENCLAW_WEBHOOKS_TRACES", _parse_traces, default=False),
        schema_pages=reader.read("OPENCLAW_WEBHOOKS_SCHEMA_PAGES", _parse_schema_pages, default=SchemaPages.STAFF),
    )
    if server.engine == "bridge" and server.bridge_url is None and not reader.problems:
        reader.problems.append(
            EnvironmentProblem("OPENCLAW_WEBHOOKS_ENGINE", "bridge needs OPENCLAW_WEBHOOKS_BRIDGE_URL")
        )
    return reader.problems or server


def count_cores() -> int:
    """Return how many cores this process may use, at least 1."""
    return len(usable_cpus()) or os.cpu_count() or 1


def _read_database(reader: _Reader, data_folder: Path) -> dict[str, Any]:
    synchronous = reader.read("OPENCLAW_WEBHOOKS_SQLITE_SYNCHRONOUS", parse_synchronous, default=DEFAULT_SYNCHRONOUS)
    default_url = f"sqlite:///{quote(str(data_folder / 'openclaw-webhooks.sqlite3'))}"

    def parse(url: str) -> dict[str, Any]:
        return parse_database(url, synchronous=synchronous)

    return reader.read("DATABASE_URL", parse, default=parse(default_url))


def _count(maximum: int) -> Callable[[str], int]:
    def parse(text: str) -> int:
        if not (text.isascii() and text.isdigit() and len(text) < 10 and 1 <= int(text) <= maximum):
            raise ValueError(f"must be a whole number from 1 to {maximum}, not {text!r}")
        return int(text)

    return parse


def _parse_interface(text: str) -> Interface:
    if text not in ("asgi", "wsgi"):
        raise ValueError(f"must be asgi or wsgi, not {text!r}")
    return cast("Interface", text)


def _parse_engine(text: str) -> Engine:
    if text not in ("embedded", "bridge"):
        raise ValueError(f"must be embedded or bridge, not {text!r}")
    return cast("Engine", text)


def _parse_bridge_url(text: str) -> str:
    return str(parse_bridge_url(text))


def _parse_secret_key(text: str) -> str:
    if holds_reference(text):
        raise ValueError("holds a ${NAME} that nothing has replaced")
    return text


def _parse_host_token(text: str) -> str:
    if not is_host_token(text):
        raise ValueError(HEADER_VALUE_RULE)
    return text


def _parse_folder(text: str) -> Path:
    folder = expand_home(text).absolute()
    if folder.exists() and not folder.is_dir():
        raise ValueError(f"must be a folder, and {str(folder)!r} is not one")
    return folder


def _parse_redis(text: str) -> RedisUrl:
    url = parse_redis_url(text)
    if find_spec("redis") is None:
        raise ValueError("needs the redis package: install openclaw-webhooks[redis]")
    return url


def _default_hosts(binds: tuple[Bind, ...]) -> tuple[str, ...]:
    """Local names, and the addresses the server was told to listen on unless that is every address."""
    own = dict.fromkeys(bind.url_host for bind in binds)
    return (*LOCAL_HOSTS, *(host for host in own if host not in LOCAL_HOSTS))


def _parse_list(text: str) -> tuple[str, ...]:
    return tuple(item.strip() for item in text.split(",") if item.strip())


def _parse_call_log(text: str) -> CallLog:
    if text not in list(CallLog):
        raise ValueError(f"must be one of {', '.join(CallLog)}, not {text!r}")
    return CallLog(text)


def _parse_schema_pages(text: str) -> SchemaPages:
    if text not in list(SchemaPages):
        raise ValueError(f"must be one of {', '.join(SchemaPages)}, not {text!r}")
    return SchemaPages(text)


def _parse_log_format(text: str) -> LogFormat:
    if text not in ("key_value", "json"):
        raise ValueError(f"must be key_value or json, not {text!r}")
    return cast("LogFormat", text)


def _parse_traces(text: str) -> bool:
    wanted = _parse_switch(text)
    if wanted and not _has_tracing():
        raise ValueError("needs the OpenTelemetry SDK: install openclaw-webhooks[otel]")
    return wanted


def _has_tracing() -> bool:
    try:
        return (
            find_spec("opentelemetry.sdk") is not None
            and find_spec("opentelemetry.exporter.otlp.proto.http") is not None
        )
    except ModuleNotFoundError:  # of a package above it
        return False


def _parse_hosts(text: str) -> tuple[str, ...]:
    hosts = tuple(host.strip() for host in text.split(",") if host.strip())
    wrong = [host for host in hosts if "/" in host or " " in host]
    if wrong or not hosts:
        named = f", not {wrong[0]!r}" if wrong else ""
        raise ValueError(f"must be host names separated by commas, without scheme or path{named}")
    return hosts


def _parse_switch(text: str) -> bool:
    word = text.lower()
    if word not in _TRUE | _FALSE:
        raise ValueError(f"must be on or off (1/0, true/false, yes/no), not {text!r}")
    return word in _TRUE
