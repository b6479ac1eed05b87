"""Which connections a worker has, and which one gives way where there are too many; knows no server and no socket.

Source: contract.md section 3 ("At the bound of connections the longest idle one is closed, a new one is never
refused").
"""

from __future__ import annotations

import resource
from collections.abc import Callable
from typing import Final, Generic, TypeVar

MOST_CONNECTIONS: Final = 1024
_FEWEST_CONNECTIONS: Final = 8

Connection = TypeVar("Connection")


def most_connections(*, reserve: int) -> int:
    """Return how many connections a process may hold, which leaves ``reserve`` descriptors to everything else."""
    soft_limit, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft_limit == resource.RLIM_INFINITY:
        return MOST_CONNECTIONS
    return max(_FEWEST_CONNECTIONS, min(MOST_CONNECTIONS, soft_limit - reserve))


class Connections(Generic[Connection]):
    """The connections of one worker, longest idle first; for one thread.

    A trusted peer, which stands for many clients, gives way only after all others.
    """

    def __init__(self, *, most: int, is_trusted: Callable[[str | None], bool]) -> None:
        """Hold none.

        Args:
            most: How many there may be.
            is_trusted: Tells by a peer's address, ``None`` over a unix socket, whether it stands for many clients.
        """
        self._most = most
        self._is_trusted = is_trusted
        self._trusted: set[Connection] = set()
        self._idle_strangers: dict[Connection, None] = {}
        self._idle_trusted: dict[Connection, None] = {}
        self._busy: dict[Connection, None] = {}

    def __len__(self) -> int:
        """Return how many there are."""
        return len(self._idle_strangers) + len(self._idle_trusted) + len(self._busy)

    def add(self, connection: Connection, peer: str | None) -> None:
        """Take in a new connection, which is idle."""
        if self._is_trusted(peer):
            self._trusted.add(connection)
        self.note_idle(connection)

    def remove(self, connection: Connection) -> None:
        """Forget a connection; one that is unknown is no fault."""
        self._forget_state(connection)
        self._trusted.discard(connection)

    def note_busy(self, connection: Connection) -> None:
        """Note that the connection has a request under way."""
        self._forget_state(connection)
        self._busy[connection] = None

    def note_idle(self, connection: Connection) -> None:
        """Note that the connection waits for a request, from now on."""
        self._forget_state(connection)
        idle = self._idle_trusted if connection in self._trusted else self._idle_strangers
        idle[connection] = None

    def find_surplus(self, awaits_caller: Callable[[Connection], bool]) -> Connection | None:
        """Return the connection that is to be closed before another is added, ``None`` where there is room.

        Args:
            awaits_caller: See ``find_dispensable``.
        """
        return None if len(self) < self._most else self.find_dispensable(awaits_caller)

    def find_dispensable(self, awaits_caller: Callable[[Connection], bool]) -> Connection | None:
        """Return the connection that gives way first, ``None`` where there is none.

        Args:
            awaits_caller: Tells of a busy connection whether it waits for its caller: where none is idle, the first
                of those gives way.
        """
        for idle in (self._idle_strangers, self._idle_trusted):
            if idle:
                return next(iter(idle))
        return next(filter(awaits_caller, self._busy), next(iter(self._busy), None))

    def _forget_state(self, connection: Connection) -> None:
        for state in (self._busy, self._idle_strangers, self._idle_trusted):
            if connection in state:
                del state[connection]
                return
