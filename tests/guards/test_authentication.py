"""Which secret a request presents; the odd cases are as the Gateway 2026.7.1 judged them over a raw socket."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from openclaw_webhooks.guards.authentication import presented_secret
from openclaw_webhooks.guards.head import RequestHead

OWN = "x-openclaw-webhook-secret"


def head(authorization: str | None = None, own: str | None = None) -> RequestHead:
    named = {"authorization": authorization, OWN: own}
    return RequestHead("POST", {name: value for name, value in named.items() if value is not None})


@pytest.mark.parametrize(
    ("authorization", "own", "presented"),
    [
        ("Bearer s3 cret", None, "s3 cret"),
        ("bearer s", None, "s"),
        ("BeArEr s", None, "s"),
        ("Bearer   s  ", None, "s"),
        ("Bearer \ts\t ", None, "s"),
        ("Bearer \xa0s\xa0", None, "s"),
        ("\xa0Bearer s", "other", "s"),
        ("Bearer wrong", "right", "wrong"),
        ("Bearer", "own", "own"),
        ("Bearer ", "own", "own"),
        ("Bearer \xa0", "own", "own"),
        ("Bearer\ts", "own", "own"),
        ("Bearer\xa0s", "own", "own"),
        ("Bearers s", "own", "own"),
        ("Basic abc", "own", "own"),
        ("", "own", "own"),
        (None, "  own ", "own"),
        (None, "\xa0own\xa0", "own"),
        ("Bearer \x85s", None, "\x85s"),
        ("Bearer\ts", None, ""),
        ("Basic abc", None, ""),
        (None, None, ""),
    ],
)
def test_the_header_that_decides(authorization: str | None, own: str | None, presented: str) -> None:
    assert presented_secret(head(authorization, own)) == presented


@given(st.text(st.characters(max_codepoint=255)), st.text(st.characters(max_codepoint=255)))
def test_any_header_is_read_without_raising(authorization: str, own: str) -> None:
    presented = presented_secret(head(authorization, own))
    assert presented in authorization or presented in own


@given(st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1))
def test_a_bearer_token_is_found_whole(token: str) -> None:
    assert presented_secret(head(f"Bearer {token}", "other")) == token
