"""HTTP over a bare socket: what a client library hides, a test of guards has to see."""

from __future__ import annotations

import json
import socket
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from tests.live import LIVE, SECRET

JSON_HEADERS = {"Content-Type": "application/json", "Authorization": f"Bearer {SECRET}"}
GET_NOTHING = json.dumps({"action": "get_flow", "flowId": "none"}).encode()


@dataclass(slots=True)
class Response:
    """One answer as it came over the wire, an interim 100 apart."""

    status: int
    headers: dict[str, str]
    body: bytes
    continued: bool = False

    @property
    def json(self) -> Any:
        return json.loads(self.body)


def head(path: str = LIVE, *, method: str = "POST", **headers: str | None) -> bytes:
    """Build a request head; keyword names turn into header names, ``None`` leaves a default out."""
    fields: dict[str, str | None] = {"Host": "test", **JSON_HEADERS}
    fields.update({name.replace("_", "-"): value for name, value in headers.items()})
    lines = [f"{method} {path} HTTP/1.1", *(f"{name}: {value}" for name, value in fields.items() if value is not None)]
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")


def request(body: bytes = GET_NOTHING, path: str = LIVE, **headers: str | None) -> bytes:
    """Build a whole request."""
    return head(path, Content_Length=str(len(body)), **headers) + body


def chunk(data: bytes) -> bytes:
    """Build one chunk of a chunked body."""
    return b"%x\r\n%s\r\n" % (len(data), data)


def read_response(sock: socket.socket) -> Response:
    """Read one answer; raises ``ConnectionError`` where the connection ends first."""
    with sock.makefile("rb", buffering=0) as stream:
        status, fields = _read_head(stream)
        continued = status == 100
        if continued:
            status, fields = _read_head(stream)
        body, length = b"", int(fields.get("content-length", "0"))
        while len(body) < length:
            piece = stream.read(length - len(body))
            if not piece:
                raise ConnectionError("the answer's body is cut off")
            body += piece
    return Response(status, fields, body, continued)


def _read_head(stream: Any) -> tuple[int, dict[str, str]]:
    raw = b""
    while not raw.endswith(b"\r\n\r\n"):
        byte = stream.read(1)
        if not byte:
            raise ConnectionError(f"the connection ended in the answer's head: {raw!r}")
        raw += byte
    first, *lines = raw.decode("latin-1").split("\r\n")
    fields = dict(line.split(": ", 1) for line in lines if line)
    return int(first.split(" ")[1]), {name.lower(): value for name, value in fields.items()}


def hold_slots(connect: Callable[[int], socket.socket]) -> list[socket.socket]:
    """Withhold one body after another until a call is refused for want of a slot; ``connect`` gets their number.

    Not all at once: which of nine calls is the ninth would be the server's to say.
    """
    held: list[socket.socket] = []
    while len(held) <= 8:
        sock = connect(len(held))
        sock.sendall(head(Content_Length=str(len(GET_NOTHING))))
        sock.settimeout(0.3)
        try:
            refused = read_response(sock)
        except TimeoutError:
            sock.settimeout(20)
            held.append(sock)
            continue
        sock.close()
        assert (refused.status, refused.headers["retry-after"]) == (429, "1")
        break
    return held


def ends(sock: socket.socket, within: float = 8) -> bool:
    """Tell whether the server closes the connection within so many seconds."""
    sock.settimeout(within)
    try:
        while sock.recv(65536):
            pass
    except TimeoutError:
        return False
    except ConnectionError:
        return True
    return True
