"""A connection's socket that stops sending to a caller that does not read; for threads that may block.

A socket's own send timeout bounds a whole ``sendall``, so it would end a large answer on a slow line. It also begins
anew with each ``sendall``, so it would never end one sent in pieces to a caller that reads a byte now and then.

Source: contract.md section 3 ("an answer of which nothing is read for 30 s ends its connection").
"""

from __future__ import annotations

import errno
import select
import socket
import struct
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer

_LONGEST_WAIT_SECONDS: Final = 1.0
_FILE_PIECE_BYTES: Final = 65_536
_RESET_AT_CLOSE: Final = struct.pack("ii", 1, 0)


@dataclass(frozen=True, slots=True, kw_only=True)
class ReaderPatience:
    """How long answers wait for their reader.

    Attributes:
        unread_seconds: How long nothing may be read.
        bytes_per_second: How fast a caller has to read for that time to begin anew: what it reads below that gives it
            so much less.
    """

    unread_seconds: float = 30.0
    bytes_per_second: int = 10_240


DEFAULT_PATIENCE: Final = ReaderPatience()


class AnswerSocket(socket.socket):
    """Sends whole answers, waiting for the caller as long as it reads.

    Time that is waited is taken from a stock of ``unread_seconds``, and what the caller reads fills it up again. Where
    it is used up the connection broke (``BrokenPipeError``), and closing it drops what was not read.

    Attributes:
        patience: How long to wait.
        is_waiting: Whether a thread waits for the caller to read.
        has_given_up: Whether the stock was used up.
    """

    patience: ReaderPatience = DEFAULT_PATIENCE
    is_waiting = False
    has_given_up = False
    _clock: Callable[[], float] = staticmethod(time.monotonic)
    _left_seconds: float | None = None

    @classmethod
    def take_over(cls, sock: socket.socket, patience: ReaderPatience) -> AnswerSocket:
        """Make one of a connected socket, which is detached."""
        answer_socket = cls(sock.family, sock.type, sock.proto, sock.detach())
        answer_socket.patience = patience
        return answer_socket

    def send(self, data: ReadableBuffer, flags: int = 0, /) -> int:
        """Send all of ``data``; see ``sendall``."""
        view = memoryview(data).cast("B")
        sent_bytes = self.send_now(view, flags)
        if sent_bytes < len(view):
            self.is_waiting = True
            self._send_patiently(view[sent_bytes:], flags)
            self.is_waiting = False
        return len(view)

    def sendall(self, data: ReadableBuffer, flags: int = 0, /) -> None:
        """Send all of ``data``, waiting for the caller.

        Raises:
            BrokenPipeError: It reads too slowly, or nothing.
            OSError: The connection broke.
        """
        self.send(data, flags)

    def sendfile(self, file: Any, offset: int = 0, count: int | None = None) -> int:
        """Send a file through this process: what the kernel sends by itself waits for the caller for ever."""
        file.seek(offset)
        sent_bytes = 0
        while count is None or sent_bytes < count:
            piece = file.read(_FILE_PIECE_BYTES if count is None else min(_FILE_PIECE_BYTES, count - sent_bytes))
            if not piece:
                break
            sent_bytes += self.send(piece)
        return sent_bytes

    def send_now(self, data: ReadableBuffer, flags: int = 0, /) -> int:
        """Send what the kernel takes at once, and return how much that was."""
        try:
            return super().send(data, flags | socket.MSG_DONTWAIT)
        except BlockingIOError:
            return 0

    def receive_now(self, size_bytes: int) -> bytes | None:
        """Receive what is there, ``b""`` at the end of the stream, ``None`` where nothing is there yet."""
        try:
            return self.recv(size_bytes, socket.MSG_DONTWAIT)
        except BlockingIOError:
            return None

    def _send_patiently(self, rest: memoryview, flags: int) -> None:
        poll = select.poll()
        poll.register(self, select.POLLOUT)
        while rest:
            before_seconds = self._clock()
            # Not for longer: a little room is no event, but takes something.
            poll.poll(_LONGEST_WAIT_SECONDS * 1000)
            sent_bytes = self.send_now(rest, flags)
            rest = rest[sent_bytes:]
            self._spend(self._clock() - before_seconds, sent_bytes)

    def _spend(self, waited_seconds: float, sent_bytes: int) -> None:
        """Take the time that was waited from the stock, and add what it is worth that the caller has read.

        Raises:
            BrokenPipeError: Nothing is left.
        """
        patience = self.patience
        left_seconds = patience.unread_seconds if self._left_seconds is None else self._left_seconds
        left_seconds += sent_bytes / patience.bytes_per_second - waited_seconds
        self._left_seconds = min(left_seconds, patience.unread_seconds)
        if left_seconds <= 0:
            self.has_given_up = True
            self.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_AT_CLOSE)
            raise BrokenPipeError(errno.EPIPE, "The caller does not read its answer.")
