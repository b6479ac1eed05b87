"""Gathers a request's head until it is complete, so that nobody has to wait for it; knows no server and no socket.

Source: RFC 9112 sections 2.1 and 2.2; contract.md section 3 (one bound for the head at both doors).
"""

from __future__ import annotations

import re
from enum import Enum
from typing import Final

from openclaw_webhooks.servers.request_head import MAX_HEAD_BYTES

_END: Final = b"\r\n\r\n"
_LINE_END: Final = b"\r\n"
_CARRIAGE_RETURN: Final = ord("\r")
_EMPTY_LINES: Final = re.compile(rb"\A(?:\r\n)+")
_MOST_FRAMING_BYTES: Final = 64
"""More than the method, the version, blanks and the last line end take: they do not count."""


class HeadState(Enum):
    """How far a head is."""

    INCOMPLETE = "incomplete"
    COMPLETE = "complete"
    TOO_LARGE = "too large"


class HeadBuffer:
    """What was received of one request: its head, and perhaps what follows it.

    A head that can never end, because a line of it ends without a carriage return, counts as complete: the parser
    refuses it at once. Empty lines before a head are no part of it, but have its bound.

    Attributes:
        state: How far the head is.
    """

    __slots__ = ("_data", "_empty_bytes", "state")

    def __init__(self) -> None:
        """Hold nothing yet."""
        self._data = b""
        self._empty_bytes = 0
        self.state = HeadState.INCOMPLETE

    def __bool__(self) -> bool:
        """Tell whether anything of a head was received."""
        return bool(self._data)

    def add(self, received: bytes) -> HeadState:
        """Take in what was received next; to be called until the head is complete or too large."""
        known_bytes = len(self._data)
        self._data = self._data + received if known_bytes else received
        if self._data.startswith(_LINE_END):
            known_bytes = 0
            self._drop_empty_lines()
        # The end may lie across the border of two pieces.
        end = self._data.find(_END, max(0, known_bytes - len(_END) + 1))
        if end >= 0:
            is_too_large = end > MAX_HEAD_BYTES and self._count_bytes(end) > MAX_HEAD_BYTES
            self.state = HeadState.TOO_LARGE if is_too_large else HeadState.COMPLETE
        elif len(self._data) + self._empty_bytes > MAX_HEAD_BYTES + _MOST_FRAMING_BYTES:
            self.state = HeadState.TOO_LARGE
        elif _has_bare_line_feed(self._data, known_bytes):
            self.state = HeadState.COMPLETE
        return self.state

    def take(self) -> bytes:
        """Return everything that was received, and begin anew."""
        data, self._data, self._empty_bytes, self.state = self._data, b"", 0, HeadState.INCOMPLETE
        return data

    def _drop_empty_lines(self) -> None:
        """Drop them at once: one after the other would copy what follows each time."""
        rest = _EMPTY_LINES.sub(b"", self._data)
        self._empty_bytes += len(self._data) - len(rest)
        self._data = rest

    def _count_bytes(self, end: int) -> int:
        """Count target and fields with their line ends, as the ASGI door does."""
        line = self._data[:end].partition(_LINE_END)[0]
        target = line.partition(b" ")[2].rpartition(b" ")[0]
        return len(target) + end - len(line)


def _has_bare_line_feed(data: bytes, begin: int) -> bool:
    """Tell whether a line that ends at ``begin`` or later has no carriage return before its line feed."""
    if begin and data[begin - 1] == _CARRIAGE_RETURN:
        begin -= 1
    return data.count(b"\n", begin) != data.count(_LINE_END, begin)
