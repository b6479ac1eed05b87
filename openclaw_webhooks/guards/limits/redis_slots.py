"""Slots on a Redis or Valkey server: leases in one sorted set per key, each a member that counts until its score.

Three scripts move them, by the server's clock, so that they hold whatever the clocks of the machines say. Every set
expires with its last lease. Knows nothing of rates and nothing of Django.
"""

from __future__ import annotations

import os
import secrets
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final

from openclaw_webhooks.exceptions import LimitStoreUnavailable
from openclaw_webhooks.guards.limits.outage import Outage
from openclaw_webhooks.pausing import find_running_loop

if TYPE_CHECKING:
    from redis import Redis

SLOTS_PREFIX: Final = "openclaw-webhooks:in-flight:"

_NOW_MS: Final = """
local time = redis.call('TIME')
local now_ms = time[1] * 1000 + math.floor(time[2] / 1000)
"""
_TAKE: Final = (
    _NOW_MS
    + """
local slots, lease, in_flight, lease_ms = KEYS[1], ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3])
redis.call('ZREMRANGEBYSCORE', slots, '-inf', now_ms)
if redis.call('ZCARD', slots) >= in_flight then return 0 end
redis.call('ZADD', slots, now_ms + lease_ms, lease)
redis.call('PEXPIRE', slots, lease_ms)
return 1
"""
)
# A lease that is gone stays gone: a renewal on its way when the slot is given back must not take it again.
_RENEW: Final = (
    _NOW_MS
    + """
local slots, lease, lease_ms = KEYS[1], ARGV[1], tonumber(ARGV[2])
if not redis.call('ZSCORE', slots, lease) then return 0 end
redis.call('ZADD', slots, now_ms + lease_ms, lease)
redis.call('PEXPIRE', slots, lease_ms)
return 1
"""
)
_RELEASE: Final = (
    _NOW_MS
    + """
local slots, lease = KEYS[1], ARGV[1]
local ends_ms = redis.call('ZSCORE', slots, lease)
redis.call('ZREM', slots, lease)
if ends_ms and tonumber(ends_ms) > now_ms then return 1 end
return 0
"""
)


class RedisSlots:
    """All slots on one server; nothing is connected before the first question. Safe for threads and forks.

    Attributes:
        lease_ms: How long a lease lasts.
        outlived_leases: How many of this process had ended when they were given back.
    """

    def __init__(self, *, url: str | None, lease_ms: int, timeout_seconds: float, outage: Outage) -> None:
        """Name the server; ``outage`` is asked through, and shared with whatever else asks it."""
        self.lease_ms = lease_ms
        self.outlived_leases = 0
        self._url = url
        self._timeout_seconds = timeout_seconds
        self._outage = outage
        self._errands = _Errands()

    def take(self, digest: str, *, in_flight: int) -> RedisLease | None:
        """Take a slot of a key unless ``in_flight`` are taken; raises ``LimitStoreUnavailable``."""
        name = secrets.token_hex(8)
        slots = SLOTS_PREFIX + digest
        return RedisLease(self, slots, name) if self._run(_TAKE, slots, name, in_flight, self.lease_ms) else None

    def renew(self, slots: str, name: str) -> None:
        """Have a lease renewed in the background, if it has not ended by then."""
        self._errands.run(lambda: self._send_renewal(slots, name))

    def release(self, slots: str, name: str) -> None:
        """Free the slot of a lease; on an event loop in the background."""
        if find_running_loop() is not None:
            self._errands.run(lambda: self._send_release(slots, name))
        else:
            self._send_release(slots, name)

    def server_time(self) -> float:
        """Ask the server for its Unix time in seconds; raises ``LimitStoreUnavailable``."""
        return self._outage.ask(self._ask_time)

    def count(self) -> dict[str, int]:
        """Count the slots taken of each key that has some, by walking over every key of the server."""
        return self._outage.ask(self._count)

    def close(self) -> None:
        """Do what is left to do, and close the connections."""
        self._errands.finish()
        if "client" in self.__dict__:
            self.client.close()

    @cached_property
    def client(self) -> Redis:
        """The connections to the server.

        Raises:
            LimitStoreUnavailable: No server is named.
            ImportError: redis-py is not installed; it is an extra.
        """
        from redis import Redis  # noqa: PLC0415 - see above
        from redis.backoff import NoBackoff  # noqa: PLC0415
        from redis.retry import Retry  # noqa: PLC0415

        if self._url is None:
            raise LimitStoreUnavailable('OPENCLAW_WEBHOOKS["REDIS_URL"] is not set.')
        # No second try: the caller waits, and the first may have taken the slot.
        return Redis.from_url(
            self._url,
            socket_timeout=self._timeout_seconds,
            socket_connect_timeout=self._timeout_seconds,
            retry=Retry(NoBackoff(), 0),
        )

    @cached_property
    def _scripts(self) -> dict[str, Any]:
        return {text: self.client.register_script(text) for text in (_TAKE, _RENEW, _RELEASE)}

    def _run(self, text: str, slots: str, *arguments: str | int) -> bool:
        return bool(self._outage.ask(lambda: self._scripts[text](keys=[slots], args=arguments)))

    def _send_renewal(self, slots: str, name: str) -> None:
        with suppress(LimitStoreUnavailable):
            self._run(_RENEW, slots, name, self.lease_ms)

    def _send_release(self, slots: str, name: str) -> None:
        # A slot that cannot be given back now ends with its lease.
        with suppress(LimitStoreUnavailable):
            if not self._run(_RELEASE, slots, name):
                self.outlived_leases += 1

    def _ask_time(self) -> float:
        seconds, microseconds = self.client.time()
        return float(seconds) + microseconds / 1_000_000

    def _count(self) -> dict[str, int]:
        now_ms = int(self._ask_time() * 1000)
        names = self.client.scan_iter(match=f"{SLOTS_PREFIX}*", count=1000)
        counts = {name: self.client.zcount(name, f"({now_ms}", "+inf") for name in names}
        return {name.decode().removeprefix(SLOTS_PREFIX): count for name, count in counts.items() if count}


class RedisLease:
    """One slot, by the name that nobody else knows. For one request."""

    __slots__ = ("_is_held", "_name", "_renewed_at", "_slots", "_store")

    def __init__(self, store: RedisSlots, slots: str, name: str) -> None:
        """Describe a slot that was taken."""
        self._store = store
        self._slots = slots
        self._name = name
        self._renewed_at = time.monotonic()
        self._is_held = True

    def renew(self) -> None:
        """Hold on for another lease time from now, in the background; nothing is sent before a third of it is over."""
        now = time.monotonic()
        if self._is_held and (now - self._renewed_at) * 3000 >= self._store.lease_ms:
            self._renewed_at = now
            self._store.renew(self._slots, self._name)

    def release(self) -> None:
        """Give the slot back; a second call does nothing. On an event loop it is done in the background."""
        if self._is_held:
            self._is_held = False
            self._store.release(self._slots, self._name)


class _Errands:
    """A thread for what nobody waits for, started when it is needed, and again in a forked child."""

    def __init__(self) -> None:
        self._pid = 0
        self._thread: ThreadPoolExecutor | None = None

    def run(self, errand: Callable[[], None]) -> None:
        if self._thread is None or self._pid != os.getpid():
            self._pid = os.getpid()
            self._thread = ThreadPoolExecutor(1, thread_name_prefix="openclaw-webhooks-limits")
        self._thread.submit(errand)

    def finish(self) -> None:
        if self._thread is not None and self._pid == os.getpid():
            self._thread.shutdown(wait=True)
            self._thread = None
