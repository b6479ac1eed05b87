"""The limits of all machines that share one Redis or Valkey server.

Requests are counted by django-ratelimit in Django's cache; slots are leases that go by the server's clock
(``redis_slots``). Windows go by each machine's own clock: they are exact while those agree to a second. A window does
not begin with a key's first request as in the other stores, but every ``window_seconds`` at a time of the key's own,
the same for all machines.

Nothing is left behind: every key expires, a window's five seconds after its end, slots with their last lease. That also
is why there is no limit of tracked keys here: what somebody with many addresses fills is gone a minute later.

Source: contract.md section 3 ("The limits hold ..."); django-ratelimit 4.1 ``get_usage``.
"""

from __future__ import annotations

import threading
from collections import Counter
from contextvars import Context
from functools import lru_cache
from typing import Any, Final, Self

from django_ratelimit.core import get_usage

from openclaw_webhooks.conf.settings import get_settings
from openclaw_webhooks.exceptions import LimitStoreUnavailable
from openclaw_webhooks.guards.limits.base import (
    DEFAULT_LIMITS,
    Admission,
    Allowance,
    Lease,
    LimitKey,
    Limits,
    LimitStats,
    Verdict,
    admit_in_turn,
)
from openclaw_webhooks.guards.limits.keys import PATH_BYTES, hash_key
from openclaw_webhooks.guards.limits.outage import Outage
from openclaw_webhooks.guards.limits.redis_slots import RedisSlots
from openclaw_webhooks.guards.limits.windows import TRY_SOON, RuleBook, allowed, refused

__all__ = ["RedisStore"]

GROUP: Final = "openclaw-webhooks"
"""What django-ratelimit files our windows under. It joins the parts of a key without a separator; group and digest are
of fixed length, so that no two keys read alike."""


class RedisStore:
    """Counts on a server that all machines reach; asks nothing of it before the first request.

    Safe for threads and forks. A call waits for the network, ``timeout_seconds`` at most for each of up to three
    answers; while the server does not answer, calls fail at once (``outage``).
    """

    scope = "every machine that shares the Redis server"
    blocking = True

    def __init__(self, *, url: str | None, limits: Limits = DEFAULT_LIMITS, timeout_seconds: float = 0.5) -> None:
        """Prepare to count.

        Args:
            url: Of the server that keeps the slots. Windows are kept in the cache ``settings.RATELIMIT_USE_CACHE``.
            limits: What is allowed; windows are whole seconds. ``tracked_keys`` means nothing here.
            timeout_seconds: How long a connection, and an answer, is waited for.

        Raises:
            ValueError: ``limits`` cannot be counted.
        """
        book = RuleBook.of(limits)
        if any(rules.window_ms % 1000 for rules in (book.usual, *book.of_paths.values())):
            raise ValueError(f"Windows must be whole seconds: {limits!r}")
        self._limits = limits
        self._outage = Outage(patience_seconds=timeout_seconds)
        self._counting = _Counting()
        self.slots = RedisSlots(
            url=url, lease_ms=book.usual.lease_ms, timeout_seconds=timeout_seconds, outage=self._outage
        )

    @classmethod
    def of_deployment(cls, name: str, limits: Limits = DEFAULT_LIMITS) -> Self:  # noqa: ARG003 - see below
        """Count on the server of the settings.

        Whoever shares it shares the limits, whatever the deployment is called: machines that were each given a
        SECRET_KEY of their own must not count apart unnoticed. Give another deployment another database number.
        """
        settings = get_settings()
        return cls(url=settings.redis_url, limits=limits, timeout_seconds=settings.redis_timeout_seconds)

    def hit(self, key: LimitKey) -> Verdict:
        """Count one request against the key's window, also one that is refused, which changes nothing."""
        allowance = self._limits.of(key.path)
        digest = _digest_of(key)
        usage = self._outage.ask(lambda: self._counting.count(digest, allowance))
        # 0 seconds left is the last second of the window.
        seconds = max(1, usage["time_left"] + 1)
        remaining = allowance.rate - usage["count"]
        return allowed(remaining, seconds) if remaining >= 0 else refused(seconds)

    def acquire(self, key: LimitKey) -> Lease | Verdict:
        """Take one of the key's slots for ``lease_seconds``."""
        return self.slots.take(_digest_of(key), in_flight=self._limits.of(key.path).in_flight) or TRY_SOON

    def admit(self, key: LimitKey) -> Admission:
        """Do one after the other."""
        return admit_in_turn(self, key)

    @property
    def failures(self) -> int:
        """Return how many of this process's questions were not answered."""
        return self._outage.failures

    def stats(self) -> LimitStats:
        """Count the slots of all machines. Walks over every key of the server: for an operator, now and then.

        ``tracked_keys`` are those with a slot in flight; outlived leases are those this process saw, and of a worker
        that was killed nobody sees any.
        """
        by_path = Counter[bytes]()
        in_flight = self.slots.count()
        for digest, count in in_flight.items():
            by_path[bytes.fromhex(digest)[-PATH_BYTES:]] += count
        return LimitStats(
            tracked_keys=len(in_flight),
            in_flight=by_path.total(),
            in_flight_by_path=by_path,
            evictions=0,
            refused_for_room=0,
            outlived_leases=self.slots.outlived_leases,
            failures=self.failures,
        )

    def close(self) -> None:
        """Send what is left to send, and close the connections. Slots that are still held end by themselves."""
        self.slots.close()


class _Counting(threading.local):
    """A context for each thread, in which Django's cache is found again and again.

    Django keeps a cache per context and thread, and with it its connections. A request's own context is new each time
    under ASGI: looked up there, every request would open a connection, and leave it to the garbage collector.
    """

    def __init__(self) -> None:
        self._context = Context()

    def count(self, digest: str, allowance: Allowance) -> dict[str, Any]:
        return self._context.run(_count, digest, allowance)


def _count(digest: str, allowance: Allowance) -> dict[str, Any]:
    """Count one request in the window of a key.

    Raises:
        LimitStoreUnavailable: django-ratelimit is switched off or could not count, which it says without an error.
    """
    usage: dict[str, Any] | None = get_usage(
        None,
        group=GROUP,
        key=lambda _group, _request: digest,
        rate=(allowance.rate, int(allowance.window_seconds)),
        increment=True,
    )
    if usage is None or usage["limit"] != allowance.rate:
        raise LimitStoreUnavailable("django-ratelimit is switched off, or its cache did not count.")
    return usage


@lru_cache(maxsize=1024)
def _digest_of(key: LimitKey) -> str:
    """Return the hash of a key as text."""
    return hash_key(key).hex()
