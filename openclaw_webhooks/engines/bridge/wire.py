"""HTTP/1.1 as the plugin in the Gateway speaks it: requests as bytes, answers out of bytes. Sans-I/O.

Every error says how far a request had come, because that decides what a mutation's caller may be told. Reads what the
plugin writes: a length is always declared. ``http.client`` takes 0.15 ms more for a call.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

MAX_IDLE_SECONDS: Final = 60.0
"""A kept connection that rested longer is not used again; the plugin closes one after 75."""
MAX_ANSWER_BYTES: Final = 512 * 1024 * 1024
"""More than any session's list of flows; what is longer is rubbish."""
CHUNK_BYTES: Final = 64 * 1024
"""How much is received at once; a larger buffer is mapped and unmapped for each answer."""

_MAX_HEAD_BYTES: Final = 16 * 1024
_LENGTH_DIGITS: Final = 18
_END_OF_HEAD: Final = b"\r\n\r\n"
_STATUS_LINE: Final = re.compile(rb"HTTP/1\.1 ([2-5]\d\d)(?: |\Z)")


class NotSent(Exception):
    """The request did not reach the peer whole: it cannot have acted."""


class NoAnswer(Exception):
    """The request was sent and no whole answer came: the peer may have acted.

    Attributes:
        was_closed: The connection ended before a byte of the answer, as a kept one does that the peer was closing.
    """

    def __init__(self, why: str, *, was_closed: bool = False) -> None:
        """Take the reason in plain words."""
        super().__init__(why)
        self.was_closed = was_closed


@dataclass(frozen=True, slots=True)
class Request:
    """A request as it is sent; ``repeats`` where it changes nothing, so that it may be sent once more."""

    data: bytes
    repeats: bool


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer: status and body, whatever they are."""

    status: int
    body: bytes


def build_request(
    method: str, path: str, body: bytes | None, headers: Mapping[str, str], *, repeats: bool = False
) -> Request:
    """Write a request. The headers are the caller's to have checked."""
    lines = "".join([f"{name}: {value}\r\n" for name, value in headers.items()])
    length = "" if body is None else f"Content-Length: {len(body)}\r\n"
    head = f"{method} {path} HTTP/1.1\r\nHost: bridge\r\n{lines}{length}\r\n"
    return Request(head.encode("ascii") + (body or b""), repeats)


class AnswerReader:
    """Reads one answer in whatever pieces it comes.

    Attributes:
        stays_open: Whether the connection can be used again; known once the answer is whole.
    """

    __slots__ = ("_chunks", "_missing", "_status", "stays_open")

    def __init__(self) -> None:
        """Expect an answer."""
        self._chunks: list[bytes] = []
        self._missing = -1
        self._status = 0
        self.stays_open = False

    def feed(self, chunk: bytes) -> Reply | None:
        """Take what was received, ``b""`` for the end of the connection; return the answer once it is whole.

        Raises:
            NoAnswer: It is none, or broke off.
        """
        if not chunk:
            raise self._broken_off()
        if self._missing < 0:
            return self._feed_head(b"".join((*self._chunks, chunk)))
        return self._feed_body(chunk)

    def fail(self, error: OSError) -> NoAnswer:
        """Return what it means that no more could be received."""
        if isinstance(error, ConnectionError):
            return self._broken_off()
        return NoAnswer(f"no answer came ({name_of(error)})")

    def _broken_off(self) -> NoAnswer:
        if self._missing >= 0:
            return NoAnswer("the answer broke off")
        return NoAnswer("the connection was closed instead of an answer", was_closed=not self._chunks)

    def _feed_head(self, received: bytes) -> Reply | None:
        end = received.find(_END_OF_HEAD)
        if end < 0:
            if len(received) > _MAX_HEAD_BYTES:
                raise NoAnswer("what came is no answer of a bridge")
            self._chunks = [received]
            return None
        self._status, self._missing, self.stays_open = _parse_head(received[:end])
        self._chunks = []
        return self._feed_body(received[end + len(_END_OF_HEAD) :])

    def _feed_body(self, chunk: bytes) -> Reply | None:
        self._chunks.append(chunk)
        self._missing -= len(chunk)
        if self._missing < 0:
            raise NoAnswer("the answer is longer than it says")
        if self._missing:
            return None
        return Reply(self._status, self._chunks[0] if len(self._chunks) == 1 else b"".join(self._chunks))


def name_of(error: BaseException) -> str:
    """Return what a broken connection is called, without addresses."""
    return os.strerror(error.errno) if isinstance(error, OSError) and error.errno else type(error).__name__


def _parse_head(head: bytes) -> tuple[int, int, bool]:
    """Return status, length of the body, and whether the connection stays open."""
    first, *lines = head.split(b"\r\n")
    status = _STATUS_LINE.match(first)
    fields = {}
    for line in lines:
        name, _, value = line.partition(b":")
        fields[name.strip().lower()] = value.strip()
    length = fields.get(b"content-length", b"")
    if status is None or not length.isdigit() or b"transfer-encoding" in fields:
        raise NoAnswer("what came is no answer of a bridge")
    if (size := int(length[:_LENGTH_DIGITS])) > MAX_ANSWER_BYTES:
        raise NoAnswer("the answer is too long")
    return int(status[1]), size, fields.get(b"connection", b"").lower() != b"close"
