"""The cache on a real Valkey: what it does beside counting is Django's own, and is tried once."""

from __future__ import annotations

import pytest
from django.core.cache import cache
from pytest_django.fixtures import Settings

from tests.guards.limits.builders import counting_caches_of
from tests.valkey import ValkeyServer


@pytest.fixture(autouse=True)
def _cache(valkey: ValkeyServer, settings: Settings) -> None:
    settings.CACHES = counting_caches_of(valkey.url)


def test_counts_a_key_that_is_there_and_keeps_its_expiry() -> None:
    assert cache.add("a", 1, 60)
    assert not cache.add("a", 1, 60)
    assert [cache.incr("a"), cache.incr("a", 5), cache.decr("a")] == [2, 7, 6]
    assert cache.get("a") == 6
    client = cache._cache.get_client()
    assert [0 < client.ttl(name) <= 60 for name in client.keys("*")] == [True]


def test_does_not_count_a_key_that_is_gone() -> None:
    with pytest.raises(ValueError, match="not there"):
        cache.incr("a")
    assert cache.get("a") is None


def test_keeps_one_connection_and_one_client() -> None:
    client = cache._cache.get_client(write=True)
    cache.set("a", {"any": "value"}, 60)
    assert cache.get("a") == {"any": "value"}
    assert cache._cache.get_client(write=True) is client


def test_counts_on_after_the_server_forgot_its_scripts() -> None:
    cache.add("a", 1, 60)
    cache.incr("a")
    cache._cache.get_client(write=True).script_flush()
    assert cache.incr("a") == 3
