"""Django's Redis cache with a cheaper and stricter way to count; everything else it leaves as it is.

Django's own works too. It makes a client object for each command (150 microseconds with redis-py 8), and increments by
asking whether the key is there and then counting: one answer more to wait for, and a key that expires between the two
is made anew without an expiry. The only module of the room that knows Django, because it is one of Django's backends.

Source: Django 5.2 ``django.core.cache.backends.redis``.
"""

from __future__ import annotations

from functools import cached_property
from typing import Any, Final

from django.core.cache.backends.redis import RedisCache, RedisCacheClient

__all__ = ["CountingRedisCache"]

_INCREMENT: Final = """
if redis.call('EXISTS', KEYS[1]) == 0 then return false end
return redis.call('INCRBY', KEYS[1], ARGV[1])
"""


class CountingRedisCache(RedisCache):
    """A ``BACKEND`` for the cache in which requests are counted, with the same settings as Django's."""

    def __init__(self, server: str | list[str], params: dict[str, Any]) -> None:
        """Take what Django's backend takes."""
        super().__init__(server, params)
        self._class = _CountingClient


class _CountingClient(RedisCacheClient):
    def get_client(self, key: Any = None, *, write: bool = False) -> Any:
        """Return the one client that writes; which of several servers is read from is Django's to choose."""
        return self._writer if write else super().get_client(key)

    def incr(self, key: Any, delta: int) -> int:
        """Add to a number; raises ``ValueError`` where there is none."""
        count: int | None = self._increment(keys=[key], args=[delta])
        if count is None:
            raise ValueError("The key is not there.")
        return count

    @cached_property
    def _writer(self) -> Any:
        return super().get_client(write=True)

    @cached_property
    def _increment(self) -> Any:
        return self._writer.register_script(_INCREMENT)
