"""Routes: fields, defaults, every problem by its dotted path."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from openclaw_webhooks.conf.parsing import normalise_path
from openclaw_webhooks.conf.problems import ProblemKind
from openclaw_webhooks.conf.routes import RouteConfig
from openclaw_webhooks.secrets.refs import InlineSecret, SecretRef
from tests.conf.files import GOOD_ROUTE, load_routes, paths_of

BASE = 'OPENCLAW_WEBHOOKS["ROUTES"]'
WORDS = st.text(max_size=6) | st.sampled_from(["${A}", "$${A}", "/", " ", "env", "default", "/plugins/webhooks/good"])
JSONISH = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | WORDS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(WORDS, inner, max_size=3),
    max_leaves=4,
)
FIELDS = st.sampled_from(["enabled", "path", "sessionKey", "secret", "controllerId", "description", "other"])
REFS = st.fixed_dictionaries({}, optional=dict.fromkeys(("source", "provider", "id", "more"), WORDS | JSONISH))
ROUTES = st.dictionaries(FIELDS, JSONISH | REFS, max_size=7)


def test_the_specifications_route_and_every_default() -> None:
    configuration = load_routes(
        {
            "zapier": {
                "path": "/plugins/webhooks/zapier",
                "sessionKey": "agent:main:main",
                "secret": {"source": "env", "provider": "default", "id": "OPENCLAW_WEBHOOK_SECRET"},
                "controllerId": "webhooks/zapier",
                "description": "Zapier TaskFlow bridge",
            },
            "n8n": {"sessionKey": " agent:main:main ", "secret": "  s  "},
        }
    )
    assert configuration.problems == ()
    assert configuration.routes == (
        RouteConfig(
            route_id="zapier",
            path="/plugins/webhooks/zapier",
            session_key="agent:main:main",
            secret=SecretRef("env", "default", "OPENCLAW_WEBHOOK_SECRET"),
            controller_id="webhooks/zapier",
            description="Zapier TaskFlow bridge",
        ),
        RouteConfig(
            route_id="n8n",
            path="/plugins/webhooks/n8n",
            session_key="agent:main:main",
            secret=InlineSecret("s"),
            controller_id="webhooks/n8n",
        ),
    )


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"sessionKey": None}, "sessionKey"),
        ({"sessionKey": "  "}, "sessionKey"),
        ({"sessionKey": "a\0"}, "sessionKey"),
        ({"sessionKey": "\ud800"}, "sessionKey"),
        ({"secret": ""}, "secret"),
        ({"secret": 5}, "secret"),
        ({"secret": None}, "secret"),
        ({"secret": {"provider": "default", "id": "A"}}, "secret.source"),
        ({"secret": {"source": "vault", "provider": "default", "id": "A"}}, "secret.source"),
        ({"secret": {"source": "env", "id": "A"}}, "secret.provider"),
        ({"secret": {"source": "env", "provider": "default", "id": " "}}, "secret.id"),
        ({"secret": {"source": "env", "provider": "default", "id": "A", "x": 1}}, "secret.x"),
        ({"enabled": "yes"}, "enabled"),
        ({"path": ""}, "path"),
        ({"path": 5}, "path"),
        ({"controllerId": ""}, "controllerId"),
        ({"description": 5}, "description"),
        ({"sessionkey": "x"}, "sessionkey"),
        ({"path": "/${MISSING}"}, "path"),
        ({"secret": "x${MISSING}"}, "secret"),
        ({"secret": "x${TEMPLATE}"}, "secret"),
    ],
)
def test_a_faulty_field_is_named_by_its_path_and_takes_no_other_route_along(
    change: dict[str, object], problem: str
) -> None:
    routes = {"good": GOOD_ROUTE, "bad": {**GOOD_ROUTE, **change}}
    configuration = load_routes(routes, {"TEMPLATE": "${OTHER}"})
    assert paths_of(configuration) == [f"{BASE}.bad.{problem}"]
    assert [route.route_id for route in configuration.routes] == ["good"]


@pytest.mark.parametrize("field", ["sessionKey", "secret"])
def test_a_required_field_that_is_missing_is_named(field: str) -> None:
    route = {name: value for name, value in GOOD_ROUTE.items() if name != field}
    assert paths_of(load_routes({"a": route})) == [f"{BASE}.a.{field}"]


def test_all_problems_come_together() -> None:
    configuration = load_routes({"a": {"path": "", "x": 1}, "b": 5, " ": GOOD_ROUTE, "\ud800": GOOD_ROUTE})
    assert paths_of(configuration) == [
        f"{BASE}.a.path",
        f"{BASE}.a.sessionKey",
        f"{BASE}.a.secret",
        f"{BASE}.a.x",
        f"{BASE}.b",
        f"{BASE}. ",
        f"{BASE}.\ud800",
    ]


def test_one_path_on_two_enabled_routes_is_an_error_naming_both() -> None:
    configuration = load_routes(
        {
            "a": {**GOOD_ROUTE, "path": "hooks"},
            "b": {**GOOD_ROUTE, "path": "/hooks/"},
            "off": {**GOOD_ROUTE, "path": "/hooks", "enabled": False},
            "c": GOOD_ROUTE,
        }
    )
    assert paths_of(configuration) == [f"{BASE}.a.path", f"{BASE}.b.path"]
    assert all(problem.kind is ProblemKind.SAME_PATH for problem in configuration.problems)
    assert f"{BASE}.b" in configuration.problems[0].message
    assert [route.route_id for route in configuration.routes] == ["c"]
    assert [route.route_id for route in configuration.disabled_routes] == ["off"]


def test_names_that_are_one_once_trimmed_are_an_error() -> None:
    configuration = load_routes({"a": GOOD_ROUTE, "a ": {**GOOD_ROUTE, "path": "/other"}})
    assert paths_of(configuration) == [f"{BASE}.a", f"{BASE}.a "]


@pytest.mark.parametrize(
    ("secret", "expected"),
    [
        ("${NAME}", SecretRef("env", "default", "NAME")),
        ("  ${UNSET_NAME} ", SecretRef("env", "default", "UNSET_NAME")),
        ("$NAME", InlineSecret("$NAME")),
        ("$${NAME}", InlineSecret("${NAME}")),
        ("x${NAME}y", InlineSecret("xvaluey")),
        ("${name}", InlineSecret("${name}")),
        ("${_NAME}", InlineSecret("underscored")),
    ],
)
def test_a_secret_that_is_exactly_a_variable_is_a_reference(secret: str, expected: object) -> None:
    environ = {"NAME": "value", "_NAME": "underscored"}
    configuration = load_routes({"a": {**GOOD_ROUTE, "secret": secret}}, environ)
    assert [route.secret for route in configuration.routes] == [expected]


@pytest.mark.parametrize(
    ("path", "expected"),
    [("a", "/a"), ("/a/", "/a"), ("/a//", "/a/"), ("/", "/"), ("a/b", "/a/b"), ("//", "/")],
)
def test_a_path_gets_a_leading_slash_and_loses_one_trailing(path: str, expected: str) -> None:
    assert normalise_path(path) == expected


@pytest.mark.parametrize(
    ("route", "kind", "field"),
    [
        ({"secret": "short"}, ProblemKind.SHORT_SECRET, "secret"),
        ({}, ProblemKind.INLINE_SECRET, "secret"),
        ({"secret": {"source": "store", "provider": "p", "id": "x"}}, ProblemKind.UNSUPPORTED_REF, "secret"),
        ({"path": "/a?b"}, ProblemKind.UNREACHABLE_PATH, "path"),
    ],
)
def test_what_is_unwise_is_a_warning(route: dict[str, object], kind: ProblemKind, field: str) -> None:
    configuration = load_routes({"a": {**GOOD_ROUTE, **route}})
    assert configuration.problems == ()
    assert (kind, f"{BASE}.a.{field}") in [(warning.kind, warning.path) for warning in configuration.warnings]


def test_one_secret_on_two_routes_is_a_warning_without_the_secret() -> None:
    configuration = load_routes(
        {"a": GOOD_ROUTE, "b": GOOD_ROUTE, "c": {**GOOD_ROUTE, "secret": "another-long-enough!"}}
    )
    shared = [warning for warning in configuration.warnings if warning.kind is ProblemKind.SHARED_SECRET]
    assert [warning.path for warning in shared] == [f"{BASE}.a.secret"]
    assert f"{BASE}.b" in shared[0].message
    assert GOOD_ROUTE["secret"] not in repr(configuration) + str(configuration.warnings)


@settings(max_examples=80)
@given(st.dictionaries(WORDS, ROUTES | JSONISH, max_size=4))
def test_any_routes_never_raise_and_never_lose_a_healthy_one(routes: dict[str, Any]) -> None:
    configuration = load_routes({**routes, "good": {**GOOD_ROUTE, "path": "/only-here"}}, {"A": "value"})
    assert "good" in [route.route_id for route in configuration.routes]
    served = len(configuration.routes) + len(configuration.disabled_routes)
    assert served == len({**routes, "good": {}}) or configuration.problems
    for route in (*configuration.routes, *configuration.disabled_routes):
        assert route.session_key.strip()
        assert route.path.startswith("/")


@settings(max_examples=40)
@given(ROUTES)
def test_no_problem_quotes_a_secret(route: dict[str, Any]) -> None:
    canary = "canary-2b7e151628aed2a6"
    configuration = load_routes({"a": {**route, "secret": canary}, "b": {**route, "secret": {"id": canary}}})
    assert canary not in repr(configuration.problems) + repr(configuration.warnings)
