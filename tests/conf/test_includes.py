"""``$include``, as the Gateway 2026.7.1 was seen to follow it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from openclaw_webhooks.conf.configuration import load_configuration
from openclaw_webhooks.conf.includes import merge
from openclaw_webhooks.conf.settings import AppSettings
from openclaw_webhooks.secrets.refs import InlineSecret
from tests.conf.files import GOOD_ROUTE, document_of, load, paths_of, write


def test_includes_merge_as_the_gateway_does(tmp_path: Path) -> None:
    write(tmp_path, {"gateway": {"trustedProxies": ["10.0.0.1"]}, **document_of({"a": GOOD_ROUTE})}, "one.json5")
    write(tmp_path, {"gateway": {"trustedProxies": ["10.0.0.2"]}}, "sub/two.json5")
    write(tmp_path, {"secret": "of the include", "sessionKey": {"$include": "text.json5"}}, "sub/route.json5")
    write(tmp_path, '"session"', "sub/text.json5")
    configuration = load(
        tmp_path,
        {
            "$include": ["./one.json5", "sub/two.json5"],
            "gateway": {"trustedProxies": ["10.0.0.3"]},
            **document_of({"a": {"secret": "of the main file"}, "b": {"$include": "./sub/route.json5"}}),
        },
    )
    assert configuration.problems == ()
    assert [str(network.network_address) for network in configuration.trusted_proxies] == [
        "10.0.0.1",
        "10.0.0.2",
        "10.0.0.3",
    ]
    assert [(route.session_key, route.secret) for route in configuration.routes] == [
        (GOOD_ROUTE["sessionKey"], InlineSecret("of the main file")),
        ("session", InlineSecret("of the include")),
    ]


def test_what_is_not_read_is_not_included(tmp_path: Path) -> None:
    document = document_of({"r": GOOD_ROUTE}, agents={"$include": "./missing.json5"})
    assert load(tmp_path, document).problems == ()


@pytest.mark.parametrize(
    ("include", "message"),
    [
        (5, "path or a list"),
        ([1], "path or a list"),
        (None, "path or a list"),
        ("", "usable path"),
        ("a\0b", "usable path"),
        ("x" * 5000, "usable path"),
        ("./missing.json5", "does not exist"),
        ("./bad.json5", "not JSON5"),
        ("./cycle.json5", "includes itself"),
        ("./openclaw.json", "includes itself"),
        ("../outside.json5", "outside"),
        ("./link.json5", "outside"),
        ("./hard.json5", "hard link"),
        ("./long", "cannot be opened"),
        ("./list.json5", "must be an object"),
    ],
)
def test_an_include_that_fails_is_named_and_the_rest_is_served(tmp_path: Path, include: object, message: str) -> None:
    folder = tmp_path / "conf"
    write(folder, "{bad", "bad.json5")
    write(folder, {"$include": "./cycle.json5"}, "cycle.json5")
    write(folder, [], "list.json5")
    outside = write(tmp_path, {}, "outside.json5")
    (folder / "link.json5").symlink_to(outside)
    os.link(outside, folder / "hard.json5")
    (folder / "long").symlink_to("y" * 300)
    configuration = load(folder, {"$include": include, **document_of({"r": GOOD_ROUTE})})
    assert paths_of(configuration) == ["$include"]
    assert message in configuration.problems[0].message
    assert [route.route_id for route in configuration.routes] == ["r"]


def test_other_folders_are_allowed_by_name(tmp_path: Path) -> None:
    write(tmp_path, document_of({"r": GOOD_ROUTE}), "shared/routes.json5")
    path = write(tmp_path, {"$include": "../shared/routes.json5"}, "conf/openclaw.json")
    app_settings = AppSettings(config_path=str(path))
    assert load_configuration(app_settings, {}).problems
    allowed = load_configuration(app_settings, {"OPENCLAW_INCLUDE_ROOTS": f"relative:{tmp_path}/shared"})
    assert (len(allowed.routes), allowed.problems) == (1, ())


def test_includes_end_at_ten_levels(tmp_path: Path) -> None:
    for level in range(12):
        write(tmp_path, {"$include": f"./{level + 1}.json5"}, f"{level}.json5")
    configuration = load(tmp_path, {"$include": "./0.json5"})
    assert "10 levels" in configuration.problems[0].message


def test_nesting_through_includes_never_exhausts_the_stack(tmp_path: Path) -> None:
    depth = 190
    for level in range(1, 10):
        write(tmp_path, '{"x":' * depth + f'{{"$include":"./{level + 1}.json5"}}' + "}" * depth, f"{level}.json5")
    configuration = load(tmp_path, document_of({"a": {"$include": "./1.json5"}}))
    assert "nested" in configuration.problems[0].message


@given(
    st.recursive(
        st.integers() | st.text(max_size=2),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(max_size=1), inner),
        max_leaves=5,
    )
)
def test_merging_nothing_changes_nothing(value: object) -> None:
    empty: object = {} if isinstance(value, dict) else []
    assert merge(empty, value) == value
