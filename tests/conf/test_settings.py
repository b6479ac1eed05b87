"""``settings.OPENCLAW_WEBHOOKS``: types, defaults, problems by name."""

from __future__ import annotations

import re
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.test import override_settings
from hypothesis import given
from hypothesis import strategies as st

from openclaw_webhooks.conf.bridge import BridgeAddress
from openclaw_webhooks.conf.limits import RedisUrl, RouteLimits
from openclaw_webhooks.conf.monitoring import CallLog, Monitoring
from openclaw_webhooks.conf.problems import ProblemKind
from openclaw_webhooks.conf.server_url import ServerUrl
from openclaw_webhooks.conf.settings import BRIDGE_ENGINE, AppSettings, SchemaPages, get_settings, parse_settings

KEYS = [name.upper() for name in (*AppSettings.__slots__, *Monitoring.__slots__) if name != "monitoring"]
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | st.binary(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3) | st.integers(), inner, max_size=2),
    max_leaves=4,
)


def test_an_empty_dict_is_every_default() -> None:
    assert parse_settings({}) == (AppSettings(), ())


def test_every_key_is_read() -> None:
    given_settings = {
        "CONFIG_PATH": Path("/etc/openclaw.json"),
        "FALLBACK_CONFIG_PATH": "/data/openclaw.json",
        "ROUTES": None,
        "SECRETS": {"providers": {}},
        "TRUSTED_PROXIES": ["10.0.0.1"],
        "ALLOW_REAL_IP_FALLBACK": True,
        "ENGINE": "a.B",
        "ENGINE_THREADS": 4,
        "BRIDGE_URL": "unix:///run/openclaw/bridge.sock",
        "BRIDGE_TOKEN": {"source": "env", "provider": "default", "id": "BRIDGE_TOKEN"},
        "BRIDGE_CONNECT_SECONDS": 1,
        "BRIDGE_TOTAL_SECONDS": 5,
        "HOST_TOKEN": "a-token-of-the-tests",
        "LIMIT_STORE": "c.D",
        "LIMITS": {"zapier": {"RATE": 600, "WINDOW_SECONDS": 30, "IN_FLIGHT": 32}, "ci": {}},
        "LIMITS_FAIL_OPEN": True,
        "RATE_LIMIT_HEADERS": True,
        "REDIS_URL": "redis://redis.example.net/1",
        "REDIS_TIMEOUT_SECONDS": 2,
        "EXEC_REUSE_SECONDS": 0,
        "RECORD_CALLS": False,
        "CALL_QUEUE_SIZE": 5,
        "CALL_FLUSH_SECONDS": 1,
        "CALL_RETENTION_DAYS": 6,
        "FLOW_RETENTION_DAYS": 8,
        "HEALTH": True,
        "METRICS": True,
        "METRICS_TOKEN": "a-token-of-sixteen",
        "MONITORING_NETWORKS": ["10.1.0.0/16"],
        "CALL_LOG": "refused",
        "TRACES": True,
        "SCHEMA_PAGES": "staff",
        "SERVER_URL": "unix:///run/webhooks.sock",
    }
    assert sorted(given_settings) == sorted(KEYS)
    parsed, problems = parse_settings(given_settings)
    assert problems == ()
    assert parsed == AppSettings(
        config_path="/etc/openclaw.json",
        fallback_config_path="/data/openclaw.json",
        secrets={"providers": {}},
        trusted_proxies=("10.0.0.1",),
        allow_real_ip_fallback=True,
        engine="a.B",
        engine_threads=4,
        bridge_url=BridgeAddress(socket_path="/run/openclaw/bridge.sock"),
        bridge_token={"source": "env", "provider": "default", "id": "BRIDGE_TOKEN"},
        bridge_connect_seconds=1.0,
        bridge_total_seconds=5.0,
        host_token="a-token-of-the-tests",
        limit_store="c.D",
        limits={"zapier": RouteLimits(rate=600, window_seconds=30, in_flight=32), "ci": RouteLimits()},
        limits_fail_open=True,
        rate_limit_headers=True,
        redis_url=RedisUrl("redis://redis.example.net/1"),
        redis_timeout_seconds=2.0,
        server_url=ServerUrl("unix:///run/webhooks.sock", socket_path="/run/webhooks.sock"),
        exec_reuse_seconds=0.0,
        record_calls=False,
        call_queue_size=5,
        call_flush_seconds=1.0,
        call_retention_days=6,
        flow_retention_days=8,
        monitoring=Monitoring(
            health=True,
            metrics=True,
            metrics_token="a-token-of-sixteen",
            monitoring_networks=(ip_network("10.1.0.0/16"),),
            call_log=CallLog.REFUSED,
            traces=True,
        ),
        schema_pages=SchemaPages.STAFF,
    )


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("CONFIG_PATH", 5),
        ("CONFIG_PATH", " "),
        ("ROUTES", []),
        ("ROUTES", {1: {}}),
        ("SECRETS", "x"),
        ("TRUSTED_PROXIES", "10.0.0.1"),
        ("ALLOW_REAL_IP_FALLBACK", 1),
        ("ENGINE", "NoDots"),
        ("ENGINE", 5),
        ("ENGINE_THREADS", 0),
        ("ENGINE_THREADS", True),
        ("ENGINE_THREADS", 1.5),
        ("LIMIT_STORE", "a..b"),
        ("LIMITS", []),
        ("LIMITS_FAIL_OPEN", "yes"),
        ("RATE_LIMIT_HEADERS", 1),
        ("REDIS_URL", "localhost:6379"),
        ("REDIS_URL", 5),
        ("SERVER_URL", "127.0.0.1:8787"),
        ("SERVER_URL", "http://127.0.0.1:port"),
        ("SERVER_URL", "unix://relative/path"),
        ("SERVER_URL", 5),
        ("REDIS_TIMEOUT_SECONDS", 0),
        ("REDIS_TIMEOUT_SECONDS", 11),
        ("BRIDGE_URL", "http://gateway.example.net:8080"),
        ("BRIDGE_URL", "http://127.0.0.1"),
        ("BRIDGE_URL", "unix://relative/path"),
        ("BRIDGE_URL", "unix:///" + "x" * 107),
        ("BRIDGE_URL", 5),
        ("BRIDGE_TOKEN", 5),
        ("BRIDGE_CONNECT_SECONDS", 0),
        ("BRIDGE_TOTAL_SECONDS", "1"),
        ("HOST_TOKEN", "short"),
        ("HOST_TOKEN", "with a blank, which no header keeps"),
        ("EXEC_REUSE_SECONDS", 1.5),
        ("EXEC_REUSE_SECONDS", -1),
        ("EXEC_REUSE_SECONDS", float("nan")),
        ("RECORD_CALLS", "yes"),
        ("CALL_QUEUE_SIZE", "5"),
        ("CALL_FLUSH_SECONDS", None),
        ("CALL_RETENTION_DAYS", -1),
        ("UNKNOWN", 1),
        ("engine", "a.B"),
    ],
)
def test_a_wrong_value_is_named_and_reads_as_its_default(key: str, value: object) -> None:
    parsed, problems = parse_settings({key: value})
    assert [(problem.path, problem.kind) for problem in problems] == [
        (f'OPENCLAW_WEBHOOKS["{key}"]', ProblemKind.SETTINGS)
    ]
    assert parsed == AppSettings(routes=parsed.routes)


def test_faulty_items_of_a_list_are_named_by_their_index() -> None:
    _, problems = parse_settings({"TRUSTED_PROXIES": ["10.0.0.1", 5, " "]})
    assert [problem.path for problem in problems] == [
        'OPENCLAW_WEBHOOKS["TRUSTED_PROXIES"].1',
        'OPENCLAW_WEBHOOKS["TRUSTED_PROXIES"].2',
    ]


def test_the_bridge_engine_needs_an_address() -> None:
    _, problems = parse_settings({"ENGINE": BRIDGE_ENGINE})
    assert [problem.path for problem in problems] == ['OPENCLAW_WEBHOOKS["BRIDGE_URL"]']
    assert parse_settings({"ENGINE": BRIDGE_ENGINE, "BRIDGE_URL": "http://[::1]:7001"})[1] == ()


def test_routes_come_from_one_place() -> None:
    _, problems = parse_settings({"ROUTES": {}, "CONFIG_PATH": "/a"})
    assert [problem.path for problem in problems] == ['OPENCLAW_WEBHOOKS["ROUTES"]']


def _fields_of(settings: AppSettings | Monitoring) -> dict[str, Any]:
    return {name: getattr(settings, name) for name in settings.__slots__}


@pytest.mark.parametrize(
    ("wrong", "named"),
    [
        ({"METRICS": True}, "METRICS"),
        ({"METRICS_TOKEN": "short"}, "METRICS_TOKEN"),
        ({"METRICS_TOKEN": "token-of-${METRICS_TOKEN}"}, "METRICS_TOKEN"),
        ({"MONITORING_NETWORKS": ["10.0.0.0/99"]}, "MONITORING_NETWORKS"),
        ({"CALL_LOG": "some"}, "CALL_LOG"),
    ],
)
def test_what_would_show_metrics_to_anybody_is_a_problem(wrong: dict[str, object], named: str) -> None:
    _, problems = parse_settings(wrong)
    assert [problem.path for problem in problems] == [f'OPENCLAW_WEBHOOKS["{named}"]']
    assert {problem.kind for problem in problems} == {ProblemKind.SETTINGS}


def test_the_documentation_lists_every_key_with_its_default() -> None:
    page = (Path(__file__).parents[2] / "docs" / "configuration.md").read_text(encoding="utf-8")
    rows = dict(re.findall(r"^\| `([A-Z_]+)` \| (.+?) \|", page, re.MULTILINE))
    defaults = {**_fields_of(Monitoring()), **_fields_of(AppSettings())}
    assert sorted(rows) == sorted(KEYS)
    for key, text in rows.items():
        default = defaults[key.lower()]
        assert text == ("\u2013" if default in (None, "", (), {}) else f"`{default}`"), key


def test_what_is_no_dict_is_a_problem() -> None:
    assert [problem.path for problem in parse_settings([])[1]] == ["OPENCLAW_WEBHOOKS"]


def test_get_settings_names_every_problem_and_follows_changes() -> None:
    with (
        override_settings(OPENCLAW_WEBHOOKS={"ENGINE_THREADS": 0, "OTHER": 1}),
        pytest.raises(ImproperlyConfigured, match=r'(?s)\["ENGINE_THREADS"\].*\["OTHER"\]'),
    ):
        get_settings()
    with override_settings(OPENCLAW_WEBHOOKS={"ENGINE_THREADS": 3}):
        assert get_settings().engine_threads == 3
    assert get_settings().engine_threads == 16


@given(st.dictionaries(st.sampled_from(KEYS) | st.text(max_size=3), VALUES, max_size=6) | VALUES)
def test_any_value_is_parsed_without_raising(raw: object) -> None:
    parsed, _ = parse_settings(raw)
    assert isinstance(parsed, AppSettings)
    assert parsed.engine_threads >= 1
