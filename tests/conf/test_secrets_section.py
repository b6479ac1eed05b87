"""The ``secrets`` section: providers with their options, defaults, problems by path."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from openclaw_webhooks.conf.configuration import load_configuration
from openclaw_webhooks.conf.problems import Problem
from openclaw_webhooks.conf.providers import parse_secrets
from openclaw_webhooks.conf.settings import AppSettings
from openclaw_webhooks.conf.variables import Variables
from openclaw_webhooks.secrets.providers import (
    EnvProvider,
    ExecProvider,
    FileProvider,
    SecretsConfig,
    UnsupportedProvider,
)
from openclaw_webhooks.secrets.refs import SecretRef
from tests.conf.files import GOOD_ROUTE
from tests.conf.test_routes import JSONISH

OPTIONS = st.sampled_from(
    ["source", "path", "mode", "command", "args", "env", "passEnv", "timeoutMs", "allowlist", "x"]
)


def parse(section: object, environ: dict[str, str] | None = None) -> tuple[SecretsConfig, list[str]]:
    problems: list[Problem] = []
    config = parse_secrets(section, "secrets", Variables({"HOME": "/home/me", **(environ or {})}, {}), problems)
    return config, [problem.path for problem in problems]


def test_every_option_of_every_provider_is_read() -> None:
    config, problems = parse(
        {
            "providers": {
                "default": {"source": "env"},
                "strict": {"source": "env", "allowlist": ["A", "B"]},
                "box": {
                    "source": "file",
                    "path": "~/box",
                    "mode": "singleValue",
                    "timeoutMs": 1000,
                    "maxBytes": 10.0,
                    "allowInsecurePath": True,
                },
                "tool": {
                    "source": "exec",
                    "command": "~/tool",
                    "args": ["", " a "],
                    "env": {"X": "${HOME}"},
                    "passEnv": ["PATH"],
                    "timeoutMs": 2000,
                    "maxOutputBytes": 5,
                    "jsonOnly": False,
                    "trustedDirs": ["~"],
                    "allowSymlinkCommand": True,
                    "allowInsecurePath": True,
                },
                "plugin": {"source": "exec", "pluginIntegration": {"pluginId": "a", "integrationId": "b"}},
                "store": {"source": "store", "anything": 1},
            },
            "defaults": {"env": "strict", "file": "box", "exec": "tool"},
            "resolution": {"maxProviderConcurrency": 4},
            "ofALaterGateway": 1,
        }
    )
    assert problems == []
    assert config.env_alias == "strict"
    assert config.providers["default"] == EnvProvider()
    assert config.providers["strict"] == EnvProvider(allowlist=frozenset({"A", "B"}))
    assert config.providers["box"] == FileProvider(
        path="/home/me/box", mode="singleValue", timeout_ms=1000, max_bytes=10, allow_insecure_path=True
    )
    assert config.providers["tool"] == ExecProvider(
        command="/home/me/tool",
        args=("", " a "),
        env={"X": "/home/me"},
        pass_env=("PATH",),
        timeout_ms=2000,
        no_output_timeout_ms=2000,
        max_output_bytes=5,
        json_only=False,
        trusted_dirs=("/home/me",),
        allow_symlink_command=True,
        allow_insecure_path=True,
    )
    assert all(isinstance(config.providers[name], UnsupportedProvider) for name in ("plugin", "store"))


@pytest.mark.parametrize(
    ("provider", "problem"),
    [
        (5, ""),
        ({}, ".source"),
        ({"source": "vault"}, ".source"),
        ({"source": "env", "allowlist": "A"}, ".allowlist"),
        ({"source": "env", "x": 1}, ".x"),
        ({"source": "file"}, ".path"),
        ({"source": "file", "path": "relative"}, ".path"),
        ({"source": "file", "path": "/a", "mode": "yaml"}, ".mode"),
        ({"source": "file", "path": "/a", "timeoutMs": 0}, ".timeoutMs"),
        ({"source": "file", "path": "/a", "maxBytes": "1"}, ".maxBytes"),
        ({"source": "file", "path": "/a/${MISSING}"}, ".path"),
        ({"source": "exec", "command": "tool"}, ".command"),
        ({"source": "exec", "command": "/a", "args": "x"}, ".args"),
        ({"source": "exec", "command": "/a", "args": ["a\0"]}, ".args"),
        ({"source": "exec", "command": "/a", "env": {"A": 1}}, ".env.A"),
        ({"source": "exec", "command": "/a", "env": {"A=B": "x"}}, ".env.A=B"),
        ({"source": "exec", "command": "/a", "trustedDirs": ["rel"]}, ".trustedDirs"),
        ({"source": "exec", "command": "/a", "jsonOnly": 1}, ".jsonOnly"),
        ({"source": "exec", "command": "/a", "noOutputTimeoutMs": 1.5}, ".noOutputTimeoutMs"),
    ],
)
def test_a_faulty_provider_is_named_and_left_out(provider: object, problem: str) -> None:
    config, problems = parse({"providers": {"bad": provider, "good": {"source": "env"}}})
    assert problems == [f"secrets.providers.bad{problem}"]
    assert set(config.providers) == {"good"}
    assert config.faulty == {"bad"}


@pytest.mark.parametrize(
    ("section", "problem"),
    [
        ([], "secrets"),
        ({"providers": 1}, "secrets.providers"),
        ({"defaults": {"env": "Not A Name"}}, "secrets.defaults.env"),
        ({"providers": {"Bad": {"source": "env"}}}, "secrets.providers.Bad"),
    ],
)
def test_a_faulty_section_is_named(section: object, problem: str) -> None:
    assert parse(section)[1] == [problem]


def test_the_default_alias_stays_unresolved_where_its_own_entry_is_faulty() -> None:
    config, _ = parse({"providers": {"default": {"source": "env", "allowlist": 5}}})
    assert config.find("default") is None


def test_settings_carry_a_secrets_section_of_their_own() -> None:
    app_settings = AppSettings(
        routes={"a": {**GOOD_ROUTE, "secret": "${A}"}}, secrets={"defaults": {"env": "mine"}, "providers": {"x": 1}}
    )
    configuration = load_configuration(app_settings, {})
    assert configuration.routes[0].secret == SecretRef("env", "mine", "A")
    assert [problem.path for problem in configuration.problems] == ['OPENCLAW_WEBHOOKS["SECRETS"].providers.x']


@given(st.dictionaries(OPTIONS, JSONISH | st.sampled_from(["env", "file", "exec"]), max_size=6))
def test_any_provider_is_judged_without_raising(provider: dict[str, Any]) -> None:
    config, problems = parse({"providers": {"any": provider, "good": {"source": "env"}}})
    assert config.providers["good"] == EnvProvider()
    assert ("any" in config.providers) == (not problems)
