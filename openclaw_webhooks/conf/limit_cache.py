"""The project's cache in which django-ratelimit counts: whether it is one that all processes and machines share."""

from __future__ import annotations

from typing import Any, Final

from django.conf import settings
from django.core.cache.backends.base import BaseCache
from django.core.cache.backends.db import DatabaseCache
from django.core.cache.backends.dummy import DummyCache
from django.core.cache.backends.filebased import FileBasedCache
from django.core.cache.backends.locmem import LocMemCache
from django.utils.module_loading import import_string

NOT_SHARED_OR_NOT_ATOMIC: Final = (LocMemCache, FileBasedCache, DatabaseCache, DummyCache)


def cache_alias() -> str:
    """Return the name in ``CACHES`` of the cache that django-ratelimit counts in."""
    alias: str = getattr(settings, "RATELIMIT_USE_CACHE", "default")
    return alias


def find_cache_backend() -> type[BaseCache] | None:
    """Return the class of that cache, ``None`` where it cannot be loaded."""
    try:
        backend: type[BaseCache] = import_string(settings.CACHES[cache_alias()]["BACKEND"])
    except (KeyError, ImportError):
        return None
    return backend


def has_shared_cache() -> bool:
    """Tell whether django-ratelimit counts over all processes and machines."""
    backend = find_cache_backend()
    is_on: Any = getattr(settings, "RATELIMIT_ENABLE", True)
    return bool(is_on) and backend is not None and not issubclass(backend, NOT_SHARED_OR_NOT_ATOMIC)
