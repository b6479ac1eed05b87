"""What anybody can have the stand-alone server write into its log, at both doors, and that nobody makes a page fail."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import pytest

from tests.doors.raw import read_response
from tests.live import LIVE, Server, serve

FORM = "Content-Type: application/x-www-form-urlencoded"
PARTS = "Content-Type: multipart/form-data"
TOKEN = f"Cookie: openclaw_webhooks_csrf={'a' * 32}"
"""A token of the caller's own making has Django read the form."""
LOGIN = "/admin/login/"
PATHS = ["/", LOGIN, "/admin/nothing/", "/nothing", "/static/nothing", LIVE, "/readyz"]
MOST_LINE_BYTES = 2_000
"""The longest a line gets: 300 characters of a caller's, each written as up to six."""
MOST_LINES = 20

TARGETS = {
    "long": "/" + "n" * 15_000,
    "no text": "/%ff%fe%c0",
    "controls": "/%00%0a%1b%5b31m",
    "wide": "/" + "%F0%9F%98%80" * 1000,
    "upwards": "/static/../../etc/passwd",
    "file name too long": "/static/" + "x" * 5000,
    "many fields": LOGIN + "?" + "a=&" * 4000,
    "next": LOGIN + "?next=http://[%00%ED%A0%80",
}
FIELDS = {
    "host": "Host: " + "x" * 8000,
    "host without end": "Host: [::1",
    "session": 'Cookie: openclaw_webhooks_session="\\777' + "x" * 5000,
    "csrf": "Cookie: openclaw_webhooks_csrf=" + "\xff" * 500,
    "language": "Accept-Language: ../../x," + "x-" * 5000,
    "range": "Range: bytes=" + "9" * 6000 + "-",
    "since": "If-Modified-Since: Sun, 99 Nov 99999 88:88:88 GMT",
    "origin": "Origin: http://[",
    "length": "Content-Length: " + "9" * 5000,
    "no field": "no field\0: x",
}
BODIES = {
    "fields": (FORM, b"&".join(b"%d=1" % number for number in range(2000))),
    "utf-7": (f"{FORM}; charset=utf-7", b"a=b"),
    "no text coding": (f"{FORM}; charset*=rot13''x", b"a=b"),
    "unknown coding": (f"{FORM}; charset*=nope''x", b"a=b"),
    "parts in no text": (
        f"{PARTS}; boundary=b; charset=rot13",
        b'--b\r\nContent-Disposition: form-data; name="a"\r\n\r\nq',
    ),
    "parts in idna": (
        f"{PARTS}; boundary=b; charset=idna",
        b'--b\r\nContent-Disposition: form-data; name="a"\r\n\r\n\xff',
    ),
    "parts without boundary": (PARTS, b"x"),
    "boundary": (f"{PARTS}; boundary=\xff", b"x"),
    "base64": (
        f"{PARTS}; boundary=b",
        b'--b\r\nContent-Disposition: form-data; name="a"; filename="b"\r\nContent-Transfer-Encoding: base64\r\n\r\n!',
    ),
}


@pytest.fixture(scope="module", params=["gunicorn-asgi", "gunicorn-wsgi"])
def server(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with serve(request.param, tmp_path_factory.mktemp("log")) as running:
        yield running


def build(method: str, path: str, *fields: str, body: bytes = b"") -> bytes:
    lines = [f"{method} {path} HTTP/1.1", *fields]
    if not any(field.startswith("Host") for field in fields):
        lines.append("Host: 127.0.0.1")
    if body:
        lines.append(f"Content-Length: {len(body)}")
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1") + body


def ask(server: Server, sent: bytes) -> int:
    with server.connect("127.120.0.1") as sock:
        sock.sendall(sent)
        return read_response(sock).status


def test_what_a_caller_sends_is_the_callers_mistake_in_one_line(server: Server) -> None:
    hostile = {
        **{f"target {name}": build("GET", target) for name, target in TARGETS.items()},
        **{f"{name} to {path}": build("GET", path, field) for path in PATHS for name, field in FIELDS.items()},
        **{
            f"{name} to {path}": build("POST", path, TOKEN, fields, body=body)
            for path, (name, (fields, body)) in itertools.product(PATHS, BODIES.items())
        },
    }
    lines_before = len(server.log.splitlines())
    statuses = {name: ask(server, sent) for name, sent in hostile.items()}
    assert {name: status for name, status in statuses.items() if status >= 500} == {}
    log = server.log
    assert "Traceback" not in log
    lines = log.splitlines()[lines_before:]
    assert max(map(len, lines)) < MOST_LINE_BYTES


def test_a_flood_costs_no_more_log_than_its_first_lines(server: Server) -> None:
    lines_before = len(server.log.splitlines())
    for number in range(MOST_LINES * 4):
        assert ask(server, build("GET", "/", f"Host: h{number}.example")) == 400
    lines = server.log.splitlines()[lines_before:]
    assert len([line for line in lines if "DisallowedHost" in line]) <= MOST_LINES


def test_a_route_does_not_read_what_follows_its_media_type(server: Server) -> None:
    for parameters in ("charset*=nope''x", "charset=rot13", 'x="' + ";" * 10_000 + '"'):
        sent = build("POST", LIVE, f"Content-Type: application/json; {parameters}", body=b"{}")
        assert ask(server, sent) in (401, 429)
