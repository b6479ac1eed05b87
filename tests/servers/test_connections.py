"""Which connection gives way."""

from __future__ import annotations

import pytest

from openclaw_webhooks.servers.connections import Connections

PROXY = "proxy"
MOST = 16


def hold(*, trusted: int, strangers: int) -> Connections[str]:
    """Have idle connections, named by their kind and number."""
    connections: Connections[str] = Connections(most=MOST, is_trusted=lambda peer: peer == PROXY)
    for number in range(trusted):
        connections.add(f"trusted {number}", PROXY)
    for number in range(strangers):
        connections.add(f"stranger {number}", "somewhere")
    return connections


def make_busy(connections: Connections[str], kind: str, count: int) -> None:
    for number in range(count):
        connections.note_busy(f"{kind} {number}")


def never(_connection: str) -> bool:
    return False


def test_there_is_room_up_to_the_bound() -> None:
    connections = hold(trusted=4, strangers=11)
    assert connections.find_surplus(never) is None
    connections.add("late", "somewhere")
    assert connections.find_surplus(never) == "stranger 0"


def test_the_longest_idle_one_gives_way() -> None:
    connections = hold(trusted=0, strangers=3)
    connections.note_busy("stranger 0")
    connections.note_idle("stranger 0")
    assert connections.find_dispensable(never) == "stranger 1"


@pytest.mark.parametrize(
    ("awaits_caller", "gives_way"),
    [(lambda connection: connection == "stranger 1", "stranger 1"), (never, "stranger 0")],
)
def test_idle_proxies_are_kept_while_strangers_are_busy(awaits_caller: object, gives_way: str) -> None:
    """Half a body, or a request in a queue, is no better a claim to a connection than silence."""
    connections = hold(trusted=MOST - 2, strangers=2)
    make_busy(connections, "stranger", 2)
    assert connections.find_surplus(awaits_caller) == gives_way  # type: ignore[arg-type]


def test_proxies_leave_a_share_to_strangers() -> None:
    """Else a single busy stranger would keep all others from getting in."""
    connections = hold(trusted=MOST - 1, strangers=1)
    make_busy(connections, "stranger", 1)
    assert connections.find_surplus(never) == "trusted 0"
    make_busy(connections, "trusted", MOST - 1)
    assert connections.find_surplus(lambda connection: connection == "trusted 1") == "trusted 1"
    assert connections.find_surplus(never) == "trusted 0"


def test_one_that_was_removed_stays_so() -> None:
    connections = hold(trusted=1, strangers=1)
    for connection in ("trusted 0", "stranger 0", "unknown"):
        connections.remove(connection)
        connections.note_busy(connection)
        connections.note_idle(connection)
    assert (len(connections), connections.find_dispensable(never)) == (0, None)
