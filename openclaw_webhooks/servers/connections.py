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
_STRANGERS_SHARE: Final = 8
"""An eighth: a proxy keeps hundreds of connections, and those of strangers take turns at the rest."""

Connection = TypeVar("Connection")


def most_connections(*, reserve: int) -> int:
    """Return how many connections a process may hold, which leaves ``reserve`` descriptors to everything else."""
    soft_limit, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft_limit == resource.RLIM_INFINITY:
        return MOST_CONNECTIONS
    return max(_FEWEST_CONNECTIONS, min(MOST_CONNECTIONS, soft_limit - reserve))


class _Group(Generic[Connection]):
    """Connections of one kind of peers, longest idle and longest busy first."""

    def __init__(self) -> None:
        self.idle: dict[Connection, None] = {}
        self.busy: dict[Connection, None] = {}

    def __len__(self) -> int:
        return len(self.idle) + len(self.busy)

    def remove(self, connection: Connection) -> None:
        self.idle.pop(connection, None)
        self.busy.pop(connection, None)

    def find_waiting(self, awaits_caller: Callable[[Connection], bool]) -> Connection | None:
        """Return the longest idle one; where none is, the longest busy one that waits for its caller."""
        return next(iter(self.idle), None) or next(filter(awaits_caller, self.busy), None)

    def find_busy(self) -> Connection | None:
        """Return the longest busy one."""
        return next(iter(self.busy), None)


class Connections(Generic[Connection]):
    """The connections of one worker; for one thread.

    A trusted peer, which stands for many clients, gives way after all others. Only a share for strangers is free of
    its connections, so that a new connection always finds room.
    """

    def __init__(self, *, most: int, is_trusted: Callable[[str | None], bool]) -> None:
        """Hold none.

        Args:
            most: How many there may be.
            is_trusted: Tells by a peer's address, ``None`` over a unix socket, whether it stands for many clients.
        """
        self._most = most
        self._most_trusted = most - most // _STRANGERS_SHARE
        self._is_trusted = is_trusted
        self._strangers: _Group[Connection] = _Group()
        self._trusted: _Group[Connection] = _Group()
        self._groups: dict[Connection, _Group[Connection]] = {}

    def __len__(self) -> int:
        """Return how many there are."""
        return len(self._groups)

    def add(self, connection: Connection, peer: str | None) -> None:
        """Take in a new connection, which is idle."""
        self._groups[connection] = self._trusted if self._is_trusted(peer) else self._strangers
        self.note_idle(connection)

    def remove(self, connection: Connection) -> None:
        """Forget a connection; one that is unknown is no fault."""
        group = self._groups.pop(connection, None)
        if group is not None:
            group.remove(connection)

    def note_busy(self, connection: Connection) -> None:
        """Note that the connection has a request under way; one that was removed stays so."""
        group = self._groups.get(connection)
        if group is not None:
            group.remove(connection)
            group.busy[connection] = None

    def note_idle(self, connection: Connection) -> None:
        """Note that the connection waits for a request, from now on; one that was removed stays so."""
        group = self._groups.get(connection)
        if group is not None:
            group.remove(connection)
            group.idle[connection] = None

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
        strangers, trusted = self._strangers, self._trusted
        if len(trusted) > self._most_trusted:
            return strangers.find_waiting(awaits_caller) or trusted.find_waiting(awaits_caller) or trusted.find_busy()
        return (
            strangers.find_waiting(awaits_caller)
            or strangers.find_busy()
            or trusted.find_waiting(awaits_caller)
            or trusted.find_busy()
        )
