"""Answers that wait for their callers to read them: how much of each, and since when nothing was read of it.

Source: tcp(7), unix(7), ``SIOCOUTQ``.
"""

from __future__ import annotations

import fcntl
import socket
import struct
import termios
from dataclasses import dataclass
from typing import Final, Generic, TypeVar

_C_INT: Final = struct.Struct("i")

Connection = TypeVar("Connection")


@dataclass(slots=True)
class Unread:
    """One answer.

    Attributes:
        held_bytes: How much of it this process holds.
        queued_bytes: How much the kernel holds beside that.
        since_seconds: Since when nothing of it was read.
    """

    held_bytes: int
    queued_bytes: int
    since_seconds: float


class UnreadAnswers(Generic[Connection]):
    """The answers of one worker; for one thread."""

    def __init__(self) -> None:
        """Know of none."""
        self._unread: dict[Connection, Unread] = {}

    def measure(self, connection: Connection, *, held_bytes: int, queued_bytes: int, now_seconds: float) -> None:
        """Note how much waits now. Less than the last time means that the caller reads."""
        last = self._unread.get(connection)
        if not held_bytes and not queued_bytes:
            self._unread.pop(connection, None)
        elif last is None:
            self._unread[connection] = Unread(held_bytes, queued_bytes, now_seconds)
        else:
            if held_bytes + queued_bytes < last.held_bytes + last.queued_bytes:
                last.since_seconds = now_seconds
            last.held_bytes, last.queued_bytes = held_bytes, queued_bytes

    def forget(self, connection: Connection) -> None:
        """Forget a connection; one that is unknown is no fault."""
        self._unread.pop(connection, None)

    def stillest_first(self) -> list[tuple[Connection, Unread]]:
        """Return all, those first of which nothing was read for longest."""
        return sorted(self._unread.items(), key=lambda pair: pair[1].since_seconds)


def count_queued(sock: socket.socket) -> int:
    """Return how many bytes the kernel holds that the peer's has not taken: 0 where the system does not tell.

    It takes megabytes before the kernel asks a process for more, so a slow reader shows here first.
    """
    try:
        (queued_bytes,) = _C_INT.unpack(fcntl.ioctl(sock.fileno(), termios.TIOCOUTQ, bytes(_C_INT.size)))
    except (OSError, ValueError):  # closed meanwhile
        return 0
    return int(queued_bytes)
