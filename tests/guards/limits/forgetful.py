"""A cache that holds a key when it is added, and has lost it when it is counted: as a server restarted in between."""

from __future__ import annotations

from django.core.cache.backends.base import BaseCache


class ForgetfulCache(BaseCache):
    def __init__(self, location: str, params: dict[str, object]) -> None:
        super().__init__(params)

    def add(self, key: str, value: object, timeout: object = None, version: object = None) -> bool:
        return False

    def incr(self, key: str, delta: int = 1, version: object = None) -> int:
        raise ValueError("Key not found.")
