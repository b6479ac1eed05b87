"""A process that shares a limit table and does what its standard input says, a line each."""

from __future__ import annotations

import sys

from openclaw_webhooks.guards.limits.base import Lease, Limits, Verdict
from openclaw_webhooks.guards.limits.shared_memory import SharedMemoryStore
from tests.guards.limits.builders import hits_allowed, key


def answer(number: int) -> None:
    sys.stdout.write(f"{number}\n")
    sys.stdout.flush()


def main(path: str, tracked_keys: str = "4096") -> None:
    """Serve ``path`` until standard input ends."""
    store = SharedMemoryStore(path=path, limits=Limits(tracked_keys=int(tracked_keys)))
    held: list[Lease] = []
    for line in sys.stdin:
        match line.split():
            case ["hit", client, times]:
                answer(hits_allowed(store, key(client), int(times)))
            case ["acquire", client, times]:
                taken = [store.acquire(key(client)) for _ in range(int(times))]
                leases = [lease for lease in taken if not isinstance(lease, Verdict)]
                held += leases
                answer(len(leases))
            case ["close"]:
                store.close()
                answer(0)


if __name__ == "__main__":
    main(*sys.argv[1:])
