"""System checks of the request limits: combinations under which they would not hold, before the first request.

What asks a server is a deployment check, as ``checks`` explains. Without routes nothing is said.

Source: contract.md section 3 ("The limits hold ...").
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from typing import Any, Final

from django.conf import settings as django_settings
from django.core.cache.backends.redis import RedisCache
from django.core.checks import CheckMessage, Error, Warning, register  # noqa: A004 - Django's own name

from openclaw_webhooks.checks import TAG
from openclaw_webhooks.conf.configuration import get_configuration
from openclaw_webhooks.conf.limit_cache import NOT_SHARED_OR_NOT_ATOMIC, cache_alias, find_cache_backend
from openclaw_webhooks.conf.settings import PROCESS_MEMORY_STORE, REDIS_STORE, AppSettings, read_settings
from openclaw_webhooks.exceptions import LimitStoreUnavailable
from openclaw_webhooks.guards.limits.outage import Outage
from openclaw_webhooks.guards.limits.redis_slots import RedisSlots

PROCESS_MEMORY_ID: Final = "openclaw_webhooks.E008"
NO_SERVER_ID: Final = "openclaw_webhooks.E009"
CACHE_ID: Final = "openclaw_webhooks.E010"
PATIENT_CACHE_ID: Final = "openclaw_webhooks.W009"
CLOCK_ID: Final = "openclaw_webhooks.W010"
UNREACHABLE_ID: Final = "openclaw_webhooks.W011"
IDS: Final = (PROCESS_MEMORY_ID, NO_SERVER_ID, CACHE_ID, PATIENT_CACHE_ID, CLOCK_ID, UNREACHABLE_ID)

MAX_CLOCK_DIFFERENCE_SECONDS: Final = 1.0

_CACHE_HINT: Final = (
    "Name a cache on Redis, Valkey or memcached in RATELIMIT_USE_CACHE, or make it the default one of CACHES."
)


@register(TAG)
def check_limit_store(**_: Any) -> list[CheckMessage]:
    """Report a store that cannot count over the processes or machines that serve."""
    settings, _problems = read_settings()
    if not get_configuration().routes:
        return []
    if settings.limit_store == PROCESS_MEMORY_STORE:
        return list(_check_process_memory())
    if settings.limit_store == REDIS_STORE:
        return [*_check_server(settings), *_check_cache()]
    return []


@register(TAG, deploy=True)
def check_clock(**_: Any) -> list[CheckMessage]:
    """Ask the shared server, and compare this machine's clock with its own."""
    settings, _problems = read_settings()
    if settings.limit_store != REDIS_STORE or list(_check_server(settings)) or not get_configuration().routes:
        return []
    return list(compare_clock(settings, clock=time.time))


def compare_clock(settings: AppSettings, *, clock: Callable[[], float]) -> Iterator[CheckMessage]:
    """Report a server that does not answer, or whose time is not this machine's.

    Args:
        settings: Name the server.
        clock: This machine's Unix time in seconds.
    """
    patience = settings.redis_timeout_seconds
    slots = RedisSlots(
        url=settings.redis_url,
        lease_ms=0,
        timeout_seconds=patience,
        outage=Outage(patience_seconds=patience),
    )
    asked_at = clock()
    try:
        server_time = slots.server_time()
    except LimitStoreUnavailable:
        message = "the Redis server of the request limits does not answer now; until it does, requests get 503"
        yield Warning(message, id=UNREACHABLE_ID)
        return
    finally:
        slots.close()
    answered_at = clock()
    # The server looked at its clock at some moment between the two.
    difference = max(asked_at - server_time, server_time - answered_at, 0.0)
    if difference > MAX_CLOCK_DIFFERENCE_SECONDS:
        message = (
            f"this machine's clock and that of the Redis server differ by {difference:.1f} s: the rate limit is exact "
            "over several machines only while their clocks agree to a second"
        )
        yield Warning(message, hint="Synchronise the clocks of all machines (NTP).", id=CLOCK_ID)


def _check_process_memory() -> Iterator[CheckMessage]:
    workers = os.environ.get("WEB_CONCURRENCY", "")
    if django_settings.DEBUG and not (workers.isdigit() and int(workers) > 1):
        return
    message = "LIMIT_STORE keeps the limits in each process's memory: over several workers they would not hold"
    hint = "Leave LIMIT_STORE out: shared memory holds over all workers of a machine, REDIS_URL over several machines."
    yield Error(message, hint=hint, id=PROCESS_MEMORY_ID)


def _check_server(settings: AppSettings) -> Iterator[CheckMessage]:
    if settings.redis_url is None:
        yield Error("LIMIT_STORE is the Redis store, and no REDIS_URL names its server", id=NO_SERVER_ID)
    if find_spec("redis") is None:
        hint = "Install openclaw-webhooks[redis]."
        yield Error("LIMIT_STORE is the Redis store, and the redis package is missing", hint=hint, id=NO_SERVER_ID)


def _check_cache() -> Iterator[CheckMessage]:
    if not getattr(django_settings, "RATELIMIT_ENABLE", True):
        yield Error("RATELIMIT_ENABLE is off: no request can be counted, and every one gets 503", id=CACHE_ID)
    alias, backend = cache_alias(), find_cache_backend()
    if backend is None:
        yield Error(f'CACHES["{alias}"], where requests are counted, cannot be loaded', hint=_CACHE_HINT, id=CACHE_ID)
    elif issubclass(backend, NOT_SHARED_OR_NOT_ATOMIC):
        message = f'CACHES["{alias}"] is a {backend.__name__}, which does not count exactly over processes and machines'
        yield Error(message, hint=_CACHE_HINT, id=CACHE_ID)
    elif issubclass(backend, RedisCache) and "socket_timeout" not in django_settings.CACHES[alias].get("OPTIONS", {}):
        message = f'CACHES["{alias}"] has no socket_timeout: a server that hangs would hold up every request'
        hint = 'Add "OPTIONS": {"socket_timeout": 0.5, "socket_connect_timeout": 0.5}.'
        yield Warning(message, hint=hint, id=PATIENT_CACHE_ID)
