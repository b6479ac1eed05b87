"""The guards at every door, seen from a bare socket: what is answered, when, and what becomes of the connection."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack
from itertools import product

import pytest

from tests.doors.raw import GET_NOTHING, JSON_HEADERS, chunk, ends, head, hold_slots, read_response, request
from tests.live import DOORS, LIVE, SECRET, Door, Server, serve

WRONG = "Bearer not-the-secret"
THREE_MB = 3 * 1024 * 1024


@pytest.mark.parametrize(
    ("status", "text", "method", "headers"),
    [
        (405, b"Method Not Allowed", "PUT", {}),
        (405, b"Method Not Allowed", "PUT", {"Content_Type": "text/plain", "Authorization": WRONG}),
        (415, b"Unsupported Media Type", "POST", {"Content_Type": "text/plain", "Authorization": WRONG}),
        (401, b"unauthorized", "POST", {"Authorization": WRONG}),
        (401, b"unauthorized", "POST", {"Authorization": None}),
        (413, b"Payload too large", "POST", {"Content_Length": "262145"}),
    ],
)
def test_refuses_before_one_byte_of_the_body(
    server: Server, source: str, status: int, text: bytes, method: str, headers: dict[str, str | None]
) -> None:
    with server.connect(source, timeout=3) as sock:
        sock.sendall(head(method=method, **{"Content_Length": "1000", **headers}))
        answer = read_response(sock)
    assert (answer.status, answer.body) == (status, text)
    assert answer.headers["content-type"] == "text/plain; charset=utf-8"


def test_405_names_the_method_and_head_gets_no_text(server: Server, source: str) -> None:
    with server.connect(source) as sock:
        sock.sendall(head(method="GET"))
        assert read_response(sock).headers["allow"] == "POST"
    with server.connect(source) as sock:
        sock.sendall(head(method="HEAD", Connection="close"))
        raw = b"".join(iter(lambda: sock.recv(65536), b""))
    assert raw.startswith(b"HTTP/1.1 405 ")
    assert raw.endswith(b"\r\n\r\n")


def test_limits_come_before_the_secret_and_before_the_body(server: Server, source: str) -> None:
    statuses = []
    for _ in range(121):
        with server.connect(source, timeout=5) as sock:
            sock.sendall(head(Content_Length="1000", Authorization=WRONG))
            answer = read_response(sock)
            statuses.append(answer.status)
    assert statuses == [401] * 120 + [429]
    assert 1 <= int(answer.headers["retry-after"]) <= 60
    with server.connect(source) as sock:  # neither method nor media type is counted, and both come first
        sock.sendall(head(method="GET"))
        assert read_response(sock).status == 405


def test_a_kept_connection_serves_bodies_of_every_size_one_after_another(server: Server, source: str) -> None:
    """Gunicorn's C parser 0.6.10 drops a connection after a body of 256 KB: no answer to its next request."""
    with server.connect(source, timeout=10) as sock:
        for size in (100, 262_144, 262_143, 262_144, 40_000, 100) * 5:
            sock.sendall(request(b'{"action":"get_flow","pad":"' + b"x" * (size - 30) + b'"}'))
            assert read_response(sock).status == 400, size


def test_the_ninth_in_flight_is_refused_until_one_ends(server: Server, source: str) -> None:
    held = hold_slots(lambda _number: server.connect(source))
    assert len(held) == 8
    held[0].sendall(GET_NOTHING)
    assert read_response(held[0]).status == 200
    with server.connect(source) as sock:
        sock.sendall(request())
        assert read_response(sock).status == 200
    for sock in held:
        sock.close()


def test_slots_come_back_from_callers_that_leave(server: Server, source: str) -> None:
    for _ in range(5):
        held = [server.connect(source) for _ in range(8)]
        for sock in held:
            sock.sendall(head(Content_Length="1000") + b"{")
        time.sleep(0.1)
        for sock in held:
            sock.close()
        deadline = time.monotonic() + 5
        status = 429
        while status == 429 and time.monotonic() < deadline:
            with server.connect(source) as sock:
                sock.sendall(request())
                status = read_response(sock).status
        assert status == 200


def test_expect_continue_is_asked_for_the_body_only_after_the_secret(server: Server, source: str) -> None:
    length = str(len(GET_NOTHING))
    with server.connect(source) as sock:
        sock.sendall(head(Content_Length=length, Authorization=WRONG, Expect="100-continue"))
        refused = read_response(sock)
        assert (refused.status, refused.continued) == (401, False)
        assert refused.headers["connection"].lower() == "close"
    with server.connect(source) as sock:
        sock.sendall(head(Content_Length=length, Expect="100-continue"))
        sock.settimeout(5)
        assert sock.recv(4096).startswith(b"HTTP/1.1 100 ")
        sock.sendall(GET_NOTHING)
        assert read_response(sock).status == 200


@pytest.mark.parametrize(("authorization", "status"), [(f"Bearer {SECRET}", 413), (WRONG, 401)])
@pytest.mark.parametrize("chunked", [False, True])
def test_a_caller_that_sends_everything_first_can_read_its_refusal(
    server: Server, source: str, authorization: str, status: int, *, chunked: bool
) -> None:
    framing = {"Transfer_Encoding": "chunked"} if chunked else {"Content_Length": str(THREE_MB)}
    with server.connect(source) as sock:
        sock.sendall(head(Authorization=authorization, **framing))
        for _ in range(THREE_MB // 65536):
            piece = b" " * 65536
            sock.sendall(chunk(piece) if chunked else piece)
        if chunked:
            sock.sendall(b"0\r\n\r\n")
        answer = read_response(sock)
        assert answer.status == status
        if status == 413:
            assert answer.headers["connection"].lower() == "close"
            assert ends(sock)


def test_a_connection_serves_one_call_after_another(server: Server, source: str) -> None:
    with server.connect(source) as sock:
        for _ in range(3):
            sock.sendall(request())
            assert read_response(sock).status == 200
        sock.sendall(request(b"{"))
        assert read_response(sock).status == 400
        sock.sendall(request())
        assert read_response(sock).json == {"ok": True, "routeId": "live", "result": {"flow": None}}


@pytest.fixture
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[Door, Server]]:
    """One server at each door, for what takes long and can be waited for at all of them at once."""
    with ExitStack() as stack:
        yield {door: stack.enter_context(serve(door, tmp_path_factory.mktemp(door), workers=1)) for door in DOORS}


def test_a_body_that_never_ends_is_answered_408_between_15_and_16_seconds(
    servers: dict[Door, Server], source: str
) -> None:
    seconds: dict[tuple[Door, str], float] = {}
    statuses: dict[tuple[Door, str], int] = {}

    def play(door: Door, name: str, framing: dict[str, str | None], piece: bytes) -> None:
        with servers[door].connect(source, timeout=25) as sock:
            started = time.monotonic()
            sock.sendall(head(**framing))
            stop = threading.Event()

            def drip() -> None:
                while piece and not stop.wait(0.5):
                    try:
                        sock.sendall(piece)
                    except OSError:
                        return

            dripping = threading.Thread(target=drip)
            dripping.start()
            statuses[door, name] = read_response(sock).status
            seconds[door, name] = time.monotonic() - started
            stop.set()
            dripping.join()

    plays = {
        "stalled": ({"Content_Length": "1000"}, b""),
        "dripping": ({"Content_Length": "1000"}, b" "),
        "stalled chunks": ({"Transfer_Encoding": "chunked"}, b""),
        "dripping chunks": ({"Transfer_Encoding": "chunked"}, chunk(b" ")),
    }
    threads = [
        threading.Thread(target=play, args=(door, name, *how)) for door, (name, how) in product(servers, plays.items())
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert statuses == dict.fromkeys(product(servers, plays), 408)
    assert all(15 <= took < 16 for took in seconds.values()), seconds


def test_chunked_bodies_are_read_and_bounded(server: Server, source: str) -> None:
    with server.connect(source) as sock:
        sock.sendall(head(Transfer_Encoding="chunked"))
        for start in range(0, len(GET_NOTHING), 7):
            sock.sendall(chunk(GET_NOTHING[start : start + 7]))
        sock.sendall(b"0\r\n\r\n")
        assert read_response(sock).status == 200
    with server.connect(source) as sock:
        sock.sendall(head(Transfer_Encoding="chunked") + chunk(b" " * 262_145))
        assert read_response(sock).status == 413


def test_any_host_is_served_and_the_request_id_taken_over(server: Server, source: str) -> None:
    with server.connect(source) as sock:
        sock.sendall(request(Host="tunnel.example.net", X_Request_Id="zap-1.A_b"))
        answer = read_response(sock)
        assert (answer.status, answer.headers["x-request-id"]) == (200, "zap-1.A_b")
        for odd in ("", "a b", "x" * 65, "é"):
            sock.sendall(request(Host="tunnel.example.net", X_Request_Id=odd))
            answer = read_response(sock)
            assert answer.status == 200
            assert answer.headers["x-request-id"] not in {"", odd}


def test_a_trailing_slash_and_a_query_lead_to_the_route_too(server: Server, source: str) -> None:
    with server.connect(source) as sock:
        for path in (f"{LIVE}/", f"{LIVE}?secret=x", f"{LIVE}/?a=b"):
            sock.sendall(request(path=path))
            assert read_response(sock).status == 200
        sock.sendall(request(path=f"{LIVE}//", Host="localhost"))
        assert read_response(sock).status == 404


def test_forged_forwarding_headers_do_not_buy_another_window(server: Server, source: str) -> None:
    statuses = set()
    with server.connect(source) as sock:
        for number in range(121):
            sock.sendall(request(X_Forwarded_For=f"203.0.113.{number}", X_Real_IP=f"203.0.113.{number}"))
            statuses.add(read_response(sock).status)
    assert statuses == {200, 429}


def test_no_answer_and_no_log_line_carries_the_secret(server: Server, source: str) -> None:
    bodies = []
    with server.connect(source) as sock:
        for body in (b"{", json.dumps({"action": "create_flow", "goal": ""}).encode(), GET_NOTHING):
            sock.sendall(request(body))
            bodies.append(read_response(sock).body)
    assert JSON_HEADERS["Authorization"].endswith(SECRET)
    assert SECRET.encode() not in b"".join(bodies)
    assert SECRET not in server.log
