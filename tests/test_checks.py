"""System checks, by their ids."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from types import ModuleType, SimpleNamespace

import pytest
from django.core.checks import CheckMessage, Error, run_checks
from django.test import override_settings
from django.urls import include, path

from openclaw_webhooks import checks
from openclaw_webhooks.conf.problems import ProblemKind
from tests.conf.files import GOOD_ROUTE, document_of, write
from tests.secrets.providers import CANARY, answer, write_private, write_script

LONG = "a-secret-that-is-long-enough"
COMMON = "django.middleware.common.CommonMiddleware"
SECURITY = "django.middleware.security.SecurityMiddleware"
W = "openclaw_webhooks.W00"
E = "openclaw_webhooks.E00"


@pytest.fixture(autouse=True)
def _no_middleware() -> Iterator[None]:
    """Leave the middleware of the suite out of what the other checks find."""
    with override_settings(MIDDLEWARE=[], ROOT_URLCONF=""):
        yield


def check(*, deploy: bool = False, **app_settings: object) -> list[CheckMessage]:
    """Run every check of ours over the given ``OPENCLAW_WEBHOOKS``."""
    with override_settings(OPENCLAW_WEBHOOKS=app_settings):
        return run_checks(tags=[checks.TAG], include_deployment_checks=deploy)


def ids_of(messages: list[CheckMessage]) -> list[str]:
    return sorted(str(message.id) for message in messages)


def with_secret(secret: object, **more: object) -> dict[str, object]:
    return {"sessionKey": "agent:main:main", "secret": secret, **more}


def env_ref(name: str) -> dict[str, str]:
    return {"source": "env", "provider": "default", "id": name}


def test_every_kind_of_problem_has_one_id_of_its_own() -> None:
    table = {**checks.ERROR_IDS, **checks.WARNING_IDS}
    assert set(table) == set(ProblemKind)
    ids = [*table.values(), checks.UNRESOLVED_ID, checks.PREFIX_ID, checks.MIDDLEWARE_ID]
    assert len(ids) == len(set(ids))


def test_nothing_configured_is_nothing_said() -> None:
    assert check(ROUTES={}) == []


def test_a_healthy_project_is_nothing_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOOK_SECRET", LONG)
    assert check(ROUTES={"a": with_secret(env_ref("HOOK_SECRET"))}) == []


@pytest.mark.parametrize(
    ("app_settings", "number", "named"),
    [
        ({"ENGINE_THREADS": 0, "ROUTES": {}}, 1, 'OPENCLAW_WEBHOOKS["ENGINE_THREADS"]'),
        ({"CONFIG_PATH": "/none/openclaw.json"}, 2, "/none/openclaw.json"),
        ({"ROUTES": {"a": {"secret": env_ref("PATH")}}}, 3, 'OPENCLAW_WEBHOOKS["ROUTES"].a.sessionKey'),
        ({"SECRETS": {"providers": {"a": 1}}, "ROUTES": {}}, 5, 'OPENCLAW_WEBHOOKS["SECRETS"].providers.a'),
        ({"ROUTES": {"a": with_secret(env_ref("PATH"), path="${NONE_}")}}, 6, 'OPENCLAW_WEBHOOKS["ROUTES"].a.path'),
        ({"TRUSTED_PROXIES": ["x"], "ROUTES": {}}, 7, 'OPENCLAW_WEBHOOKS["TRUSTED_PROXIES"]'),
    ],
)
def test_a_problem_is_an_error_that_names_the_field(app_settings: dict[str, object], number: int, named: str) -> None:
    messages = check(**app_settings)
    assert ids_of(messages) == [f"{E}{number}"]
    assert isinstance(messages[0], Error)
    assert messages[0].msg.startswith(f"{named}: ")


def test_one_path_twice_is_two_errors() -> None:
    routes = {name: with_secret(env_ref("PATH"), path="/x") for name in "ab"}
    assert ids_of(check(ROUTES=routes)) == [f"{E}4", f"{E}4"]


@pytest.mark.parametrize(
    ("routes", "numbers"),
    [
        ({"a": with_secret("short")}, [1, 3]),
        ({"a": with_secret(LONG), "b": with_secret(LONG)}, [2, 3, 3]),
        ({"a": with_secret(LONG), "b": with_secret(env_ref("HOOK_SECRET"))}, [2, 3]),
        ({"a": with_secret(env_ref("HOOK_SECRET")), "b": with_secret(env_ref("HOOK_SECRET_2"))}, [2]),
        ({"a": with_secret(env_ref("HOOK_SHORT"))}, [1]),
        ({"a": with_secret(env_ref("HOOK_MISSING"))}, [5]),
        ({"a": with_secret(env_ref("HOOK_MISSING"), enabled=False)}, []),
        ({"a": with_secret({"source": "store", "provider": "p", "id": "x"})}, [4]),
        ({"a": with_secret({"source": "exec", "provider": "plugin", "id": "x"})}, [4]),
        ({"a": with_secret(env_ref("HOOK_SECRET"), path="/a#b")}, [8]),
    ],
)
def test_what_is_unwise_is_a_warning(
    monkeypatch: pytest.MonkeyPatch, routes: dict[str, object], numbers: list[int]
) -> None:
    for name, value in {"HOOK_SECRET": LONG, "HOOK_SECRET_2": LONG, "HOOK_SHORT": "short"}.items():
        monkeypatch.setenv(name, value)
    secrets = {"providers": {"plugin": {"source": "exec", "pluginIntegration": {}}}}
    messages = check(ROUTES=routes, SECRETS=secrets, deploy=True)
    assert ids_of(messages) == [f"{W}{number}" for number in numbers]


def test_an_unresolved_secret_names_route_reference_and_reason(tmp_path: Path) -> None:
    secrets = {"providers": {"box": {"source": "file", "path": str(tmp_path / "none")}}}
    routes = {"zapier": with_secret({"source": "file", "provider": "box", "id": "/a"})}
    (message,) = check(ROUTES=routes, SECRETS=secrets)
    assert message.msg.startswith('OPENCLAW_WEBHOOKS["ROUTES"].zapier.secret: file:box:/a does not resolve')
    assert "No such file" in message.msg


def test_only_a_deployment_check_runs_programs(tmp_path: Path) -> None:
    command = write_script(tmp_path, f"echo run >> {tmp_path}/runs\n{answer('short', 'x')}")
    secrets = {"providers": {"tool": {"source": "exec", "command": command}}}
    routes = {"a": with_secret({"source": "exec", "provider": "tool", "id": "x"})}
    assert check(ROUTES=routes, SECRETS=secrets) == []
    assert not (tmp_path / "runs").exists()
    assert ids_of(check(ROUTES=routes, SECRETS=secrets, deploy=True)) == [f"{W}1"]
    assert (tmp_path / "runs").exists()


def test_no_message_carries_a_value(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOOK_SECRET", CANARY)
    box = write_private(tmp_path, f'{{"a": ["{CANARY}"], "b": "{CANARY}"}}')
    document = document_of(
        {
            "inline": {**GOOD_ROUTE, "secret": CANARY, "unknown": CANARY},
            "also": with_secret(CANARY),
            "env": with_secret("${HOOK_SECRET}"),
            "wrong": with_secret({"source": "file", "provider": "box", "id": "/a"}),
            "right": with_secret({"source": "file", "provider": "box", "id": "/b"}),
        },
        secrets={"providers": {"box": {"source": "file", "path": box}}},
    )
    messages = check(CONFIG_PATH=str(write(tmp_path, document)), deploy=True)
    assert ids_of(messages) == [f"{E}3", f"{W}2", f"{W}3", f"{W}5"]
    assert CANARY not in str(messages)


def urlconf(*patterns: object) -> ModuleType:
    module = ModuleType("a_project.urls")
    module.urlpatterns = list(patterns)  # type: ignore[attr-defined]
    return module


def test_a_mount_under_a_prefix_names_the_addresses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOOK_SECRET", LONG)
    inner = SimpleNamespace(urlpatterns=[path("hooks/", include("openclaw_webhooks.urls"))], app_name="inner")
    with override_settings(ROOT_URLCONF=urlconf(path("api/", include((inner.urlpatterns, "inner"))))):
        (message,) = check(ROUTES={"a": with_secret(env_ref("HOOK_SECRET"))})
    assert message.id == checks.PREFIX_ID
    assert "a: /api/hooks/plugins/webhooks/a" in message.msg


def test_a_mount_at_the_root_is_right(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOOK_SECRET", LONG)
    with override_settings(ROOT_URLCONF=urlconf(path("", include("openclaw_webhooks.urls")))):
        assert check(ROUTES={"a": with_secret(env_ref("HOOK_SECRET"))}) == []


@pytest.mark.parametrize(
    ("middleware", "project", "is_warned"),
    [
        ([COMMON], {}, True),
        ([COMMON, checks.ROUTES_MIDDLEWARE], {}, True),
        ([checks.ROUTES_MIDDLEWARE, COMMON], {}, False),
        ([COMMON], {"ALLOWED_HOSTS": ["*"]}, False),
        ([SECURITY], {}, False),
        ([SECURITY], {"SECURE_SSL_REDIRECT": True}, True),
        ([checks.ROUTES_MIDDLEWARE, SECURITY], {"SECURE_SSL_REDIRECT": True}, False),
    ],
)
def test_middleware_that_refuses_a_tunnel_is_named(
    monkeypatch: pytest.MonkeyPatch, middleware: list[str], project: dict[str, object], is_warned: bool
) -> None:
    monkeypatch.setenv("HOOK_SECRET", LONG)
    with override_settings(MIDDLEWARE=middleware, **project):
        messages = check(ROUTES={"a": with_secret(env_ref("HOOK_SECRET"))})
        assert check(ROUTES={}) == []
    assert ids_of(messages) == ([checks.MIDDLEWARE_ID] if is_warned else [])
