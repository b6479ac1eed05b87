"""What of a head reaches Django's pages."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pytest

from project.page_heads import simplify_heads


def simplify(**fields: str) -> dict[str, Any]:
    seen: list[dict[str, Any]] = []

    def application(environ: dict[str, Any], _: Any) -> Iterable[bytes]:
        seen.append(environ)
        return ()

    simplify_heads(application)(dict(fields), None)  # type: ignore[arg-type]
    return seen[0]


@pytest.mark.parametrize("parameters", ["", "; charset=utf-8", " ; charset*=nope''x", ';x="' + ";" * 10_000 + '"'])
def test_a_content_type_has_no_parameters(parameters: str) -> None:
    form = "application/x-www-form-urlencoded"
    assert simplify(CONTENT_TYPE=form + parameters) == {"CONTENT_TYPE": form}


def test_cookies_that_a_browser_sends_are_kept() -> None:
    cookies = r'openclaw_webhooks_csrf=abc; messages="[[\"__json_message\"\0540\05425\054\"Saved.\"]]:1x"; other=a\b'
    assert simplify(HTTP_COOKIE=cookies) == {"HTTP_COOKIE": cookies}


@pytest.mark.parametrize("escape", ["\\0", '\\"', "\\101"])
def test_cookies_of_escapes_are_none(escape: str) -> None:
    assert simplify(HTTP_COOKIE=f'a="{escape * 4_000}"', HTTP_HOST="a") == {"HTTP_HOST": "a"}
