"""A limit key as one number of bytes, for stores that want keys of one size. Knows no store."""

from __future__ import annotations

from functools import lru_cache
from hashlib import blake2b
from typing import Final

from openclaw_webhooks.guards.limits.base import LimitKey


def hash_key(key: LimitKey) -> bytes:
    """Hash a key to 16 bytes, the last eight of which are ``hash_path``: so a store can add up what is on a path.

    The length of the path keeps the parts apart, whatever they hold.
    """
    return _hash(f"{len(key.path)}:{key.path}{key.client}") + hash_path(key.path)


@lru_cache(maxsize=1024)
def hash_path(path: str) -> bytes:
    """Hash the path of a key to ``PATH_BYTES`` bytes."""
    return _hash(path)


PATH_BYTES: Final = 8


def _hash(text: str) -> bytes:
    return blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).digest()
