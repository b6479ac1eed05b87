from __future__ import annotations

import json
import shlex
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from openclaw_webhooks.conf.routes import RouteConfig
from openclaw_webhooks.secrets.refs import InlineSecret, Secret, SecretRef
from project.addresses import Bind, parse_bind
from project.report import Start, build_curl, build_report, describe_secret

CANARY = "canary-of-the-report"


def build_route(*, path: str = "/plugins/webhooks/zapier", secret: Secret | None = None) -> RouteConfig:
    return RouteConfig(
        route_id="zapier",
        path=path,
        session_key="agent:main:main",
        secret=secret or InlineSecret(CANARY),
        controller_id="webhooks/zapier",
    )


def build_start(**changes: Any) -> Start:
    fields: dict[str, Any] = {
        "version": "1.2.3",
        "bind": Bind(host="127.0.0.1", port=8787),
        "configuration_path": Path("/etc/openclaw.json"),
        "routes": [build_route()],
    }
    return Start(**(fields | changes))


def test_a_first_start_tells_everything_once() -> None:
    report = build_report(build_start(starter_secret="made-here", admin_password="pass-word"))
    assert "openclaw-webhooks 1.2.3 on http://127.0.0.1:8787" in report
    assert "route zapier, session agent:main:main, controller webhooks/zapier" in report
    assert "Authorization: Bearer made-here" in report
    assert "http://127.0.0.1:8787/admin/" in report
    assert "user admin, password pass-word" in report
    assert CANARY not in report


def test_a_later_start_tells_no_secret() -> None:
    report = build_report(build_start())
    assert CANARY not in report
    assert "Bearer YOUR_SECRET" in report
    assert "YOUR_SECRET: written in the configuration file" in report
    assert "password" in report.rpartition("Admin")[2]
    assert "shown this once" not in report


def test_no_routes_is_said_with_what_to_do() -> None:
    report = build_report(build_start(routes=[]))
    assert "none: add one under plugins.entries.webhooks.config.routes" in report
    assert "curl" not in report


def test_disabled_routes_and_warnings_are_shown() -> None:
    report = build_report(build_start(disabled_routes=[build_route(path="/off")], warnings=["mind this"]))
    assert "/off  (disabled)" in report
    assert "Worth a look\n  mind this" in report


@pytest.mark.parametrize(
    ("secret", "words"),
    [
        (InlineSecret(CANARY), "written in the configuration file"),
        (SecretRef("env", "default", "ZAP"), "environment variable ZAP"),
        (SecretRef("file", "vault", "/a"), "file provider 'vault', id '/a'"),
        (SecretRef("exec", "op", "zap"), "exec provider 'op', id 'zap'"),
    ],
)
def test_where_a_secret_comes_from(secret: Secret, words: str) -> None:
    assert describe_secret(secret) == words


def test_an_env_secret_is_left_to_the_shell() -> None:
    route = build_route(secret=SecretRef("env", "default", "ZAP"))
    assert '"Authorization: Bearer $ZAP"' in build_curl(Bind(host="127.0.0.1", port=1), route, starter_secret=None)


def test_a_unix_socket_is_reached_through_curls_own_option() -> None:
    words = shlex.split(build_curl(Bind(unix_path=Path("/run/a b.sock")), build_route(), starter_secret="s"))
    assert words[words.index("--unix-socket") + 1] == "/run/a b.sock"
    assert "http://localhost/plugins/webhooks/zapier" in words


@given(path=st.text(min_size=1).map(lambda text: "/" + text), secret=st.text(min_size=1))
def test_whatever_path_and_secret_the_line_is_one_request(path: str, secret: str) -> None:
    words = shlex.split(build_curl(Bind(host="127.0.0.1", port=8787), build_route(path=path), starter_secret=secret))
    assert words[0] == "curl"
    assert f"http://127.0.0.1:8787{path}" in words
    assert f"Authorization: Bearer {secret}" in words
    assert json.loads(words[words.index("-d") + 1])["action"] == "create_flow"


@pytest.mark.parametrize(
    ("text", "gunicorn_value", "base_url"),
    [
        ("127.0.0.1:8787", "127.0.0.1:8787", "http://127.0.0.1:8787"),
        ("localhost:80", "localhost:80", "http://localhost:80"),
        ("0.0.0.0:8787", "0.0.0.0:8787", "http://127.0.0.1:8787"),
        ("[::]:8787", "[::]:8787", "http://[::1]:8787"),
        ("unix:/tmp/x.sock", "unix:/tmp/x.sock", "http://localhost"),
    ],
)
def test_addresses_as_gunicorn_and_a_caller_write_them(text: str, gunicorn_value: str, base_url: str) -> None:
    bind = parse_bind(text)
    assert (bind.gunicorn_value, bind.base_url) == (gunicorn_value, base_url)


@given(st.text())
def test_any_text_is_an_address_or_refused(text: str) -> None:
    try:
        bind = parse_bind(text)
    except ValueError:
        return
    assert bind.unix_path or 1 <= bind.port <= 65535
