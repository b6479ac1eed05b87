"""The store interface behind the rate limit and the in-flight limit.

A store counts; it knows no route, no HTTP and no status. A key is the pair of a route's configured path and a client
address. Both limits share one table of keys, because a key with slots in flight must not be evicted.

Source: specification.txt ("Request handling order"), contract.md section 3, steps 3 and 4.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol, Self

__all__ = [
    "DEFAULT_LIMITS",
    "Admission",
    "Allowance",
    "Lease",
    "LimitKey",
    "LimitStats",
    "LimitStore",
    "Limits",
    "Uncounted",
    "Verdict",
    "admit_in_turn",
]


class LimitKey(NamedTuple):
    """What is limited: the configured path of a route, and the client's address."""

    path: str
    client: str


@dataclass(frozen=True, slots=True)
class Allowance:
    """What each client may do on one path: requests per window of so many seconds, and requests at the same time."""

    rate: int = 120
    window_seconds: float = 60.0
    in_flight: int = 8


@dataclass(frozen=True, slots=True)
class Limits:
    """The numbers of the specification. Rates are requests per window; times are seconds.

    Attributes:
        of_paths: What holds instead of ``rate``, ``window_seconds`` and ``in_flight`` on these paths.
    """

    rate: int = 120
    window_seconds: float = 60.0
    in_flight: int = 8
    tracked_keys: int = 4096
    lease_seconds: float = 30.0
    of_paths: Mapping[str, Allowance] = field(default_factory=dict, hash=False)

    def of(self, path: str) -> Allowance:
        """Return what holds on a path."""
        return self.of_paths.get(path) or Allowance(self.rate, self.window_seconds, self.in_flight)


DEFAULT_LIMITS = Limits()
"""The specification's numbers, unchanged."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether a request may pass one of the limits.

    Attributes:
        allowed: Whether it may.
        retry_after_seconds: After a refusal, how long until a retry can pass: whole seconds, at least 1.
        remaining: How many more may pass in the window.
        reset_after_seconds: How long until the window ends, in whole seconds, at least 1; 0 where no window was asked.
    """

    allowed: bool
    retry_after_seconds: int = 0
    remaining: int = 0
    reset_after_seconds: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class LimitStats:
    """What an operator wants to know of a store, over its whole scope; counters start with the store's life.

    Attributes:
        tracked_keys: Keys with a running window or a slot in flight.
        in_flight: Slots held now, by holders that live.
        evictions: Running windows that were forgotten to make room for another key.
        refused_for_room: Requests refused because every tracked key had slots in flight.
        outlived_leases: Slots taken back from a holder that lives but did not renew; its request went on, uncounted.
        failures: How often the store could not be asked; of this process alone.
        in_flight_by_path: The slots of ``in_flight`` by ``keys.hash_path``; a path without any is left out.
    """

    tracked_keys: int
    in_flight: int
    evictions: int
    refused_for_room: int
    outlived_leases: int
    failures: int = 0
    in_flight_by_path: Mapping[bytes, int] = field(default_factory=dict)


class Lease(Protocol):
    """One in-flight slot, held until released or until its holder dies."""

    def renew(self) -> None:
        """Hold on for another lease time. Does not block."""
        ...

    def release(self) -> None:
        """Give the slot back; a second call does nothing. Does not block an event loop: call it from there or not."""
        ...


class Uncounted:
    """The lease of a request that is let pass though the limits cannot be counted: there is nothing to give back."""

    def renew(self) -> None:
        """Do nothing."""

    def release(self) -> None:
        """Do nothing."""


class Admission(NamedTuple):
    """What both limits say to one request.

    Attributes:
        slot: The slot, or why there is none; ``None`` where the rate has refused already.
    """

    verdict: Verdict
    slot: Lease | Verdict | None


class LimitStore(Protocol):
    """Counts requests and slots per key, exactly over ``scope``.

    Every method raises ``LimitStoreUnavailable`` where the store cannot tell, and nothing else.
    """

    scope: str
    """Over what the limits hold, in words an operator reads: ``"this process"``, ``"this machine"``."""

    blocking: bool
    """Whether a call may wait for I/O, so that an event loop has to hand it to a thread."""

    @property
    def failures(self) -> int:
        """Return how often this process could not ask the store; asks nobody."""
        ...

    @classmethod
    def of_deployment(cls, name: str, limits: Limits = DEFAULT_LIMITS) -> Self:
        """Make the store that every process of a deployment counts in; the same ``name`` leads to the same counts."""
        ...

    def hit(self, key: LimitKey) -> Verdict:
        """Count one request against the key's fixed window, unless it is full; refusals do not extend the window."""
        ...

    def acquire(self, key: LimitKey) -> Lease | Verdict:
        """Take one in-flight slot of the key, or say why not."""
        ...

    def admit(self, key: LimitKey) -> Admission:
        """Do ``hit`` and, where that lets the request pass, ``acquire``: one way to the store instead of two."""
        ...

    def stats(self) -> LimitStats:
        """Count what is tracked now. For an operator's page, not for the way of a request."""
        ...

    def close(self) -> None:
        """Let go of everything this process holds; the last one leaves nothing behind."""
        ...


def admit_in_turn(store: LimitStore, key: LimitKey) -> Admission:
    """Do ``admit`` for a store to which both limits are two ways."""
    verdict = store.hit(key)
    return Admission(verdict, store.acquire(key) if verdict.allowed else None)
