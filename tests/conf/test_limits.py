"""The settings of the limits: numbers per route, and an address whose password stays unseen."""

from __future__ import annotations

from contextlib import suppress

import pytest
from django.test import override_settings
from hypothesis import given
from hypothesis import strategies as st

from openclaw_webhooks.conf.configuration import get_configuration
from openclaw_webhooks.conf.limits import MAX_IN_FLIGHT, RouteLimits, parse_redis_url
from openclaw_webhooks.conf.settings import REDIS_STORE, SHARED_MEMORY_STORE, parse_settings

CANARY = "canary-password"


@pytest.mark.parametrize(
    ("entry", "path"),
    [
        (5, "a"),
        ({"RATE": 0}, "a.RATE"),
        ({"RATE": True}, "a.RATE"),
        ({"RATE": 10**7}, "a.RATE"),
        ({"WINDOW_SECONDS": 0.5}, "a.WINDOW_SECONDS"),
        ({"IN_FLIGHT": MAX_IN_FLIGHT + 1}, "a.IN_FLIGHT"),
        ({"rate": 5}, "a.rate"),
    ],
)
def test_a_wrong_limit_is_named_with_its_route(entry: object, path: str) -> None:
    parsed, problems = parse_settings({"LIMITS": {"a": entry}})
    assert [problem.path for problem in problems] == [f'OPENCLAW_WEBHOOKS["LIMITS"].{path}']
    assert parsed.limits.get("a", RouteLimits()) == RouteLimits()


def test_limits_of_a_route_that_does_not_exist_are_a_problem() -> None:
    route = {"sessionKey": "agent:main:main", "secret": "a-secret-of-enough-characters"}
    limits = {"a": {"RATE": 5}, " off ": {"RATE": 5}, "b": {"RATE": 5}}
    app = {"ROUTES": {"a": route, "off": {**route, "enabled": False}}, "LIMITS": limits}
    with override_settings(OPENCLAW_WEBHOOKS=app):
        problems = get_configuration().problems
    assert [str(problem) for problem in problems] == ['OPENCLAW_WEBHOOKS["LIMITS"].b: is not the name of a route']


def test_a_shared_server_is_counted_on_unless_a_store_is_named() -> None:
    url = "redis://127.0.0.1"
    assert parse_settings({})[0].limit_store == SHARED_MEMORY_STORE
    assert parse_settings({"REDIS_URL": url})[0].limit_store == REDIS_STORE
    assert parse_settings({"REDIS_URL": url, "LIMIT_STORE": SHARED_MEMORY_STORE})[0].limit_store == SHARED_MEMORY_STORE
    assert parse_settings({"REDIS_URL": None})[0].limit_store == SHARED_MEMORY_STORE


@pytest.mark.parametrize(
    "url",
    [
        "redis://localhost",
        " redis://localhost:6379/0 ",
        "rediss://user:p%40ss@redis.example.net:6380/15",
        "redis://:word@[::1]:6379?socket_timeout=1",
        "unix:///run/valkey.sock?db=1",
    ],
)
def test_an_address_is_taken_as_it_is(url: str) -> None:
    assert parse_redis_url(url) == url.strip()


@pytest.mark.parametrize(
    "url",
    [
        "",
        "localhost:6379",
        f"http://:{CANARY}@host",
        f"redis://:{CANARY}@",
        f"redis://:{CANARY}/@host:6379",
        f"redis://user:{CANARY}@host:port",
        f"redis://user:{CANARY}@host:0",
        f"redis://user:{CANARY}@host/main",
        f"redis://[{CANARY}",
        "unix://",
    ],
)
def test_another_address_is_refused_without_repeating_it(url: str) -> None:
    with pytest.raises(ValueError, match=r"must|is not") as refused:
        parse_redis_url(url)
    assert CANARY not in str(refused.value)
    _, problems = parse_settings({"REDIS_URL": url})
    assert [problem.path for problem in problems] == ['OPENCLAW_WEBHOOKS["REDIS_URL"]']
    assert CANARY not in repr(problems)


def test_no_repr_shows_the_password() -> None:
    parsed, _ = parse_settings({"REDIS_URL": f"redis://user:{CANARY}@host/0"})
    assert parsed.redis_url is not None
    assert CANARY in parsed.redis_url
    assert CANARY not in repr([parsed, parsed.redis_url])


@given(st.text())
def test_any_text_is_an_address_or_refused(text: str) -> None:
    for url in (text, f"redis://{text}", f"unix://{text}"):
        with suppress(ValueError):
            assert parse_redis_url(url).partition("://")[0] in ("redis", "rediss", "unix")
