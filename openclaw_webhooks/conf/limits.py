"""The settings of the request limits: limits per route, and the address of a shared Redis or Valkey.

Imports no Django, because the stand-alone server judges ``REDIS_URL`` by the same rule before Django is set up.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

from openclaw_webhooks.conf.fields import Fields, as_object
from openclaw_webhooks.conf.problems import Problem, ProblemKind
from openclaw_webhooks.values import WHITE_SPACE

MAX_RATE: Final = 1_000_000
MAX_WINDOW_SECONDS: Final = 86_400
MAX_IN_FLIGHT: Final = 1024
"""What the stores can count: twenty bits of requests, and slots that fit into shared memory for 4,096 clients."""

_NETWORK_SCHEMES: Final = frozenset({"redis", "rediss"})


@dataclass(frozen=True, slots=True, kw_only=True)
class RouteLimits:
    """What was set for one route; ``None`` is the specification's number."""

    rate: int | None = None
    window_seconds: int | None = None
    in_flight: int | None = None


class RedisUrl(str):
    """The address of a Redis or Valkey server. It may hold a password, so that no repr shows it."""

    __slots__ = ()

    def __repr__(self) -> str:
        """Return the scheme alone."""
        return f"'{self.partition('://')[0]}://...'"


def parse_redis_url(text: str) -> RedisUrl:
    """Read ``redis://[user:password@]host[:port][/database]``, ``rediss://`` (TLS) or ``unix:///path``.

    Raises:
        ValueError: It is none of these; the message does not repeat it.
    """
    try:
        parts = urlsplit(text.strip(WHITE_SPACE))
        is_network = parts.scheme in _NETWORK_SCHEMES and bool(parts.hostname) and parts.port != 0
    except ValueError:
        raise ValueError("is not a URL: percent-encode special characters of the user name and password") from None
    if not is_network and not (parts.scheme == "unix" and parts.path):
        raise ValueError("must be redis://HOST:PORT/DATABASE, rediss://... for TLS, or unix:///path")
    database = parts.path.strip("/") if is_network else ""
    if database and not (database.isascii() and database.isdigit()):
        raise ValueError("must end in the number of a database, such as /0, or in none")
    return RedisUrl(text.strip(WHITE_SPACE))


def read_redis_url(fields: Fields, name: str) -> RedisUrl | None:
    """Read the address where one is given."""
    if not fields.has(name) or fields.raw[name] is None:
        return None
    text = fields.text(name)
    try:
        return parse_redis_url(text)
    except ValueError as error:
        fields.report(name, str(error))
        return None


def read_route_limits(fields: Fields, name: str) -> Mapping[str, RouteLimits]:
    """Read limits by route id; a faulty number is reported and left at its default."""
    found = {}
    for route_id, entry in fields.mapping(name).items():
        place = f"{fields.path_of(name)}.{route_id}"
        raw = as_object(entry)
        if raw is None:
            fields.problems.append(Problem(place, "must be an object", fields.kind))
        else:
            found[route_id.strip(WHITE_SPACE)] = _read_one(Fields(raw, place, fields.problems, fields.kind))
    return found


def find_unknown_routes(limits: Mapping[str, RouteLimits], route_ids: Iterable[str], path: str) -> Iterator[Problem]:
    """Report limits of routes that are not configured: a mistyped name must not leave a route at the defaults."""
    known = {route_id.strip(WHITE_SPACE) for route_id in route_ids}
    for route_id in limits:
        if route_id not in known:
            yield Problem(f"{path}.{route_id}", "is not the name of a route", ProblemKind.SETTINGS)


def _read_one(fields: Fields) -> RouteLimits:
    limits = RouteLimits(
        rate=_number(fields, "RATE", MAX_RATE),
        window_seconds=_number(fields, "WINDOW_SECONDS", MAX_WINDOW_SECONDS),
        in_flight=_number(fields, "IN_FLIGHT", MAX_IN_FLIGHT),
    )
    fields.reject_unknown()
    return limits


def _number(fields: Fields, name: str, maximum: int) -> int | None:
    if not fields.has(name):
        return None
    number = fields.whole(name, default=0)
    if number > maximum:
        fields.report(name, f"must be at most {maximum}")
    return number if 0 < number <= maximum else None
