"""Configuration files: where they are, JSON5, includes, variables, changes."""

from __future__ import annotations

import json
import os
from ipaddress import ip_network
from pathlib import Path

import pytest
from django.test import override_settings
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from openclaw_webhooks.conf.configuration import get_configuration, load_configuration
from openclaw_webhooks.conf.documents import MAX_DOCUMENT_BYTES
from openclaw_webhooks.conf.location import resolve_config_path
from openclaw_webhooks.conf.problems import ProblemKind
from openclaw_webhooks.conf.settings import AppSettings
from openclaw_webhooks.secrets.refs import SecretRef
from openclaw_webhooks.secrets.resolver import SecretResolver
from tests.conf.files import GOOD_ROUTE, ROUTES_PATH, document_of, load, paths_of, write


def test_json5_with_comments_other_sections_and_unknown_keys_loads(tmp_path: Path) -> None:
    configuration = load(
        tmp_path,
        """\ufeff// an operator's file
        { agents: { defaults: {} }, channels: [1, 2,], plugins: { allow: ['webhooks'], entries: { other: 5, webhooks: {
          enabled: true, hooks: {}, config: { routes: { 'a': { sessionKey: 's', secret: 'x', }, }, }, }, }, }, }""",
    )
    assert configuration.problems == ()
    assert [route.route_id for route in configuration.routes] == ["a"]


@pytest.mark.parametrize(
    ("settings_path", "environ", "expected"),
    [
        ("/named.json", {"OPENCLAW_CONFIG_PATH": "/other.json"}, "/named.json"),
        (None, {"OPENCLAW_CONFIG_PATH": "~/mine.json"}, "HOME/mine.json"),
        (None, {"OPENCLAW_CONFIG_PATH": " "}, "HOME/.openclaw/openclaw.json"),
        (None, {}, "HOME/.openclaw/openclaw.json"),
        ("~", {}, "HOME"),
    ],
)
def test_where_the_file_is(tmp_path: Path, settings_path: str | None, environ: dict[str, str], expected: str) -> None:
    found = resolve_config_path(AppSettings(config_path=settings_path), {"HOME": str(tmp_path), **environ})
    assert str(found.path) == expected.replace("HOME", str(tmp_path))


def test_the_home_folder_is_the_accounts_where_the_environment_has_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/of/the/process")
    assert str(resolve_config_path(AppSettings(), {}).path) == "/home/of/the/process/.openclaw/openclaw.json"


def test_the_fallback_is_read_only_where_the_default_is_missing(tmp_path: Path) -> None:
    home = {"HOME": str(tmp_path)}
    fallback = write(tmp_path, document_of({"f": GOOD_ROUTE}), "data/openclaw.json")
    app_settings = AppSettings(fallback_config_path=str(fallback))
    assert [route.route_id for route in load_configuration(app_settings, home).routes] == ["f"]
    write(tmp_path, document_of({"d": GOOD_ROUTE}), ".openclaw/openclaw.json")
    assert [route.route_id for route in load_configuration(app_settings, home).routes] == ["d"]


def test_a_missing_default_is_no_routes_and_a_missing_named_file_is_a_problem(tmp_path: Path) -> None:
    absent = load_configuration(AppSettings(), {"HOME": str(tmp_path)})
    assert (absent.routes, absent.problems, absent.warnings) == ((), (), ())
    named = load_configuration(AppSettings(config_path=str(tmp_path / "none.json")), {})
    assert [(problem.path, problem.kind) for problem in named.problems] == [
        (str(tmp_path / "none.json"), ProblemKind.FILE)
    ]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "not JSON5"),
        ('{\n  a: "canary-9c1",\n  b c', "line 3"),
        ("[" * 5000, "deeper"),
        (b"\xff\xfe", "not UTF-8"),
        ("[]", "does not hold an object"),
        ("5", "does not hold an object"),
        (" " * (MAX_DOCUMENT_BYTES + 1), "larger"),
    ],
)
def test_a_file_that_is_no_configuration_is_one_problem_that_quotes_nothing(
    tmp_path: Path, content: str | bytes, message: str
) -> None:
    configuration = load(tmp_path, content)
    assert paths_of(configuration) == [str(tmp_path / "openclaw.json")]
    assert message in configuration.problems[0].message
    assert "canary" not in configuration.problems[0].message


def test_a_folder_a_fifo_and_an_impossible_name_are_problems(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    (tmp_path / "loop").symlink_to("loop")
    # The last is a regular file, and yet every read of it from its start fails.
    for path in (f"{tmp_path}", f"{tmp_path}/fifo", f"{tmp_path}/loop", f"{tmp_path}/a\0b", "/proc/self/mem"):
        assert len(load_configuration(AppSettings(config_path=path), {}).problems) == 1


@pytest.mark.parametrize(
    ("document", "path"),
    [
        ({"plugins": []}, "plugins"),
        ({"plugins": {"entries": 5}}, "plugins.entries"),
        ({"plugins": {"entries": {"webhooks": None}}}, "plugins.entries.webhooks"),
        ({"plugins": {"entries": {"webhooks": {"enabled": "no"}}}}, "plugins.entries.webhooks.enabled"),
        ({"plugins": {"entries": {"webhooks": {"config": 1}}}}, "plugins.entries.webhooks.config"),
        ({"plugins": {"entries": {"webhooks": {"config": {"route": {}}}}}}, "plugins.entries.webhooks.config.route"),
        (document_of([]), ROUTES_PATH),
        (document_of({}, gateway=5), "gateway"),
        (document_of({}, gateway={"trustedProxies": "10.0.0.1"}), "gateway.trustedProxies"),
        (document_of({}, gateway={"trustedProxies": ["10.0.0.1/64"]}), "gateway.trustedProxies"),
        (document_of({}, gateway={"allowRealIpFallback": 1}), "gateway.allowRealIpFallback"),
        (document_of({}, secrets={"providers": {"a": 1}}), "secrets.providers.a"),
        (document_of({}, env=5), "env"),
        (document_of({}, env={"vars": []}), "env.vars"),
        (document_of({}, env={"vars": {"A": 1}}), "env.vars.A"),
        (document_of({"a": {**GOOD_ROUTE, "description": "${NONE}"}}), f"{ROUTES_PATH}.a.description"),
    ],
)
def test_every_section_is_judged_and_named(tmp_path: Path, document: object, path: str) -> None:
    assert paths_of(load(tmp_path, document)) == [path]


def test_a_plugin_that_is_off_has_no_routes_and_no_problems(tmp_path: Path) -> None:
    document = {"plugins": {"entries": {"webhooks": {"enabled": False, "config": {"routes": {"a": {}}}}}}}
    configuration = load(tmp_path, document)
    assert (configuration.routes, configuration.problems) == ((), ())


def test_trusted_proxies_are_networks_and_settings_add_theirs(tmp_path: Path) -> None:
    gateway = {"trustedProxies": ["10.0.0.1", "192.168.1.7/24", "::ffff:10.1.0.0/112", "fd00::/8"]}
    path = write(tmp_path, document_of({}, gateway={**gateway, "allowRealIpFallback": True}))
    configuration = load_configuration(AppSettings(config_path=str(path), trusted_proxies=("127.0.0.1",)), {})
    expected = ["10.0.0.1/32", "192.168.1.0/24", "10.1.0.0/16", "fd00::/8", "127.0.0.1/32"]
    assert configuration.trusted_proxies == tuple(map(ip_network, expected))
    assert configuration.allow_real_ip_fallback
    assert not load(tmp_path, document_of({})).allow_real_ip_fallback


def test_a_faulty_proxy_in_settings_is_named() -> None:
    configuration = load_configuration(AppSettings(routes={}, trusted_proxies=("nowhere",)), {})
    assert paths_of(configuration) == ['OPENCLAW_WEBHOOKS["TRUSTED_PROXIES"]']


def test_variables_are_replaced_from_the_process_then_from_the_file(tmp_path: Path) -> None:
    text = "${A}-${B}-${C}-$${A}-$A-${a}"
    document = document_of(
        {"r": {**GOOD_ROUTE, "description": text}},
        env={"B": "plain", "vars": {"A": "file", "C": "vars"}, "shellEnv": {}},
    )
    configuration = load(tmp_path, document, {"A": "process"})
    assert configuration.problems == ()
    assert configuration.routes[0].description == "process-plain-vars-${A}-$A-${a}"
    assert configuration.secrets.read_variable("C", {}) == "vars"


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("${GIVEN}", "given"),
        ("x-${GIVEN}-${PLAIN}", "x-given-plain"),
        ("$${GIVEN}", "$${GIVEN}"),
        ("${HOOK}", ""),
        ("x-${GONE}", ""),
        ("${TEMPLATE}", ""),
        ("$${GIVEN}-${GIVEN}", ""),
    ],
)
def test_variables_of_the_file_may_refer_to_others_and_are_never_templates(
    tmp_path: Path, text: str, value: str
) -> None:
    document = document_of({"r": {**GOOD_ROUTE, "secret": "${HOOK}"}}, env={"vars": {"HOOK": text, "PLAIN": "plain"}})
    configuration = load(tmp_path, document, {"GIVEN": "given", "TEMPLATE": "${OTHER}"})
    assert configuration.problems == ()
    assert configuration.secrets.read_variable("HOOK", {}) == value
    resolver = SecretResolver(configuration.secrets, environ={})
    assert resolver.status(configuration.routes[0].secret).resolves == bool(value)


def test_a_variable_missing_in_a_section_that_is_not_read_is_no_problem(tmp_path: Path) -> None:
    document = document_of({"r": GOOD_ROUTE}, channels={"telegram": {"token": "${MISSING}"}})
    assert load(tmp_path, document).problems == ()


def test_secret_references_follow_the_files_alias(tmp_path: Path) -> None:
    document = document_of({"r": {**GOOD_ROUTE, "secret": "${HOOK}"}}, secrets={"defaults": {"env": "mine"}})
    assert load(tmp_path, document).routes[0].secret == SecretRef("env", "mine", "HOOK")


def test_a_change_of_any_file_is_told(tmp_path: Path) -> None:
    included = write(tmp_path, {}, "part.json5")
    configuration = load(tmp_path, {"$include": "./part.json5", **document_of({})})
    assert str(configuration.source) == str(tmp_path / "openclaw.json")
    assert not configuration.has_changed()
    included.write_text("{ }")
    assert configuration.has_changed()
    included.unlink()
    assert configuration.has_changed()


def test_a_default_file_that_appears_is_a_change(tmp_path: Path) -> None:
    configuration = load_configuration(AppSettings(), {"HOME": str(tmp_path)})
    assert not configuration.has_changed()
    write(tmp_path, {}, ".openclaw/openclaw.json")
    assert configuration.has_changed()


def test_settings_never_change() -> None:
    configuration = load_configuration(AppSettings(routes={"a": GOOD_ROUTE}), {})
    assert not configuration.has_changed()
    assert str(configuration.source) == 'OPENCLAW_WEBHOOKS["ROUTES"]'


def test_the_process_keeps_one_configuration_until_settings_change() -> None:
    with override_settings(OPENCLAW_WEBHOOKS={"ROUTES": {"a": GOOD_ROUTE}, "OTHER": 1}):
        configuration = get_configuration()
        assert get_configuration() is configuration
        assert [route.route_id for route in configuration.routes] == ["a"]
        assert paths_of(configuration) == ['OPENCLAW_WEBHOOKS["OTHER"]']
    with override_settings(OPENCLAW_WEBHOOKS={"ROUTES": {}}):
        assert (get_configuration().routes, get_configuration().problems) == ((), ())


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=150)
@given(
    st.text(max_size=80)
    | st.binary(max_size=80)
    | st.text(st.sampled_from("{}[]:,'\"\\/*a$0.eE+- \n"), max_size=40).map(lambda text: '{"plugins":' + text)
)
def test_any_file_never_raises(tmp_path: Path, content: str | bytes) -> None:
    path = tmp_path / "any.json"
    path.write_bytes(content if isinstance(content, bytes) else content.encode("utf-8", "surrogatepass"))
    configuration = load_configuration(AppSettings(config_path=str(path)), {})
    assert configuration.routes == ()


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)
@given(
    sections=st.dictionaries(
        st.sampled_from(["agents", "env", "secrets", "gateway", "$include", "x"]),
        st.text() | st.lists(st.text()) | st.dictionaries(st.text(), st.text()),
    )
)
def test_whatever_else_a_file_holds_a_healthy_route_is_served(tmp_path: Path, sections: dict[str, object]) -> None:
    path = tmp_path / "openclaw.json"
    path.write_text(json.dumps({**document_of({"good": GOOD_ROUTE}), **sections}), encoding="utf-8")
    configuration = load_configuration(AppSettings(config_path=str(path)), {})
    assert [route.route_id for route in configuration.routes] == ["good"]
