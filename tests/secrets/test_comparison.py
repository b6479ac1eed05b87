"""Comparison over bytes."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from openclaw_webhooks.secrets.comparison import is_same_secret
from openclaw_webhooks.values import WHITE_SPACE

SECRETS = st.text(st.characters(exclude_categories=["Cs"]), min_size=1).map(lambda s: s.strip(WHITE_SPACE)).filter(bool)


def as_header(secret: bytes) -> str:
    """Return what a door and the authentication policy make of the bytes of a header."""
    return secret.decode("latin-1").strip(WHITE_SPACE)


@given(SECRETS)
def test_the_bytes_of_a_secret_match_it(secret: str) -> None:
    assert is_same_secret(as_header(secret.encode()), secret)


@given(SECRETS, SECRETS)
def test_another_secret_does_not(secret: str, other: str) -> None:
    if as_header(secret.encode()) != as_header(other.encode()):
        assert not is_same_secret(as_header(secret.encode()), other) or max(other) <= "\xff"


@pytest.mark.parametrize("secret", ["sécret", "voilà", "Å"])
def test_latin_1_is_accepted_as_the_gateway_does(secret: str) -> None:
    assert is_same_secret(as_header(secret.encode("latin-1")), secret)
    assert is_same_secret(as_header(secret.encode()), secret)


@pytest.mark.parametrize(
    ("presented", "expected"),
    [("", ""), ("", "a"), ("a", ""), ("a", "ab"), ("ab", "a"), ("a", "A"), ("\u1234", "\u1234"), ("", " ")],
)
def test_what_must_not_match(presented: str, expected: str) -> None:
    assert not is_same_secret(presented, expected)


def test_a_lone_surrogate_matches_nothing_and_does_not_raise() -> None:
    assert not is_same_secret("\ud800", "\ud800")
    assert not is_same_secret("a", "\ud800")
