"""What gunicorn's parser says of requests, and what the hooks make of it."""

from __future__ import annotations

import pytest
from gunicorn.http.errors import (
    ExpectationFailed,
    InvalidHeader,
    InvalidResponseHeader,
    LimitRequestHeaders,
    LimitRequestLine,
    UnsupportedTransferCoding,
)

from openclaw_webhooks.servers.gunicorn_requests import build_refusal, is_body_read, refusal_of
from openclaw_webhooks.servers.request_head import MAX_HEAD_BYTES
from tests.servers.environs import exchange
from tests.servers.serving import chunk, head, status_of

LAST_CHUNK = b"0\r\n"


@pytest.mark.parametrize("name", ["X-Forwarded-For", "Authorization", "Content-Length", "Host", "Expect", "X-Other"])
def test_a_trailer_field_is_dropped(name: str) -> None:
    trailers = f"{name}: 1\r\n\r\n".encode()
    with exchange(head() + chunk(b"body") + LAST_CHUNK + trailers + head(length=0)) as one:
        before = dict(one.environ)
        assert one.environ["wsgi.input"].read() == b"body"
        assert (one.environ, one.request.trailers) == (before, [])
        assert is_body_read(one.parser)
        assert next(one.parser).method == "POST"


def test_trailer_fields_have_a_bound() -> None:
    trailers = b"X-A: b\r\n" * (2 * MAX_HEAD_BYTES // 8)
    with (
        exchange(head() + chunk(b"body") + LAST_CHUNK + trailers + b"\r\n") as one,
        pytest.raises(LimitRequestHeaders),
    ):
        one.environ["wsgi.input"].read()


@pytest.mark.parametrize(
    ("fields", "closes"),
    [
        ("", False),
        ("Connection: close\r\n", True),
        ("Connection: close, upgrade\r\nUpgrade: h2c\r\n", True),
        ("Connection: Upgrade\r\nConnection: Close\r\n", True),
        ("Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\n", False),
        ("Connection: keep-alive, close\r\n", True),
        ("X-Connection: close\r\n", False),
    ],
)
def test_a_caller_that_closes_is_believed_whatever_else_it_says(fields: str, closes: bool) -> None:
    with exchange(head(length=0, extra=fields)) as one:
        assert one.request.should_close() is closes


@pytest.mark.parametrize(
    ("data", "size_bytes", "is_read"),
    [
        (head(length=4) + b"body", 4, True),
        (head(length=4) + b"body", 3, False),
        (head(length=4) + b"body", 0, False),
        (head() + chunk(b"body") + chunk(b""), 5, True),
        (head() + chunk(b"body") + chunk(b""), 3, False),
        (head() + chunk(b"body") + chunk(b""), 0, False),
    ],
)
def test_whether_a_body_was_read_is_known_without_reading(data: bytes, size_bytes: int, is_read: bool) -> None:
    with exchange(data) as one:
        if size_bytes:
            one.request.body.read(size_bytes)
        assert is_body_read(one.parser) is is_read


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (LimitRequestHeaders("x"), 431),
        (LimitRequestLine(1, 1), 431),
        (ExpectationFailed("x"), 417),
        (UnsupportedTransferCoding("x"), 501),
        (InvalidHeader("x"), 400),
        (InvalidResponseHeader("x"), None),
        (ValueError("x"), None),
    ],
)
def test_only_the_callers_faults_are_refused(error: Exception, status: int | None) -> None:
    refused = refusal_of(error)
    assert refused == status
    assert refused is None or status_of(build_refusal(refused)) == status
