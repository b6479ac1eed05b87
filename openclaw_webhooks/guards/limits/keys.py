"""A limit key as one number of bytes, for stores that want keys of one size. Knows no store."""

from __future__ import annotations

from functools import lru_cache
from hashlib import blake2b

from openclaw_webhooks.guards.limits.base import LimitKey


@lru_cache(maxsize=8192)
def hash_key(key: LimitKey) -> bytes:
    """Hash a key to 16 bytes; the length of the path keeps the parts apart, whatever they hold."""
    text = f"{len(key.path)}:{key.path}{key.client}"
    return blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).digest()
