"""The arithmetic of a fixed window, pure and shared by the stores of this room.

A window is one whole number, ``start in milliseconds << 20 | requests counted``, so that a store in shared memory can
keep it in one word and replace it in one write: a process that is killed between two instructions leaves either the
old window or the new one, never half of each. ``0`` is no window. Knows neither keys nor stores.

Source: specification.txt ("Request handling order"), contract.md section 3, steps 3 and 4.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Final

from openclaw_webhooks.guards.limits.base import Allowance, LimitKey, Limits, Verdict

COUNT_BITS: Final = 20
COUNT_MASK: Final = (1 << COUNT_BITS) - 1
NO_WINDOW: Final = 0


@dataclass(frozen=True, slots=True)
class Rules:
    """``Limits`` in the whole numbers that stores count with; times are milliseconds."""

    rate: int
    window_ms: int
    in_flight: int
    tracked_keys: int
    lease_ms: int

    @classmethod
    def of(cls, limits: Limits) -> Rules:
        """Convert ``limits``.

        Raises:
            ValueError: A number is below 1 (times: below a millisecond), or the rate does not fit into 20 bits.
        """
        return cls._of(limits, Allowance(limits.rate, limits.window_seconds, limits.in_flight))

    @classmethod
    def _of(cls, limits: Limits, allowance: Allowance) -> Rules:
        rules = cls(
            rate=allowance.rate,
            window_ms=int(allowance.window_seconds * 1000),
            in_flight=allowance.in_flight,
            tracked_keys=limits.tracked_keys,
            lease_ms=int(limits.lease_seconds * 1000),
        )
        numbers = (rules.rate, rules.window_ms, rules.in_flight, rules.tracked_keys, rules.lease_ms)
        if min(numbers) < 1 or rules.rate > COUNT_MASK:
            raise ValueError(f"Limits out of range: {limits!r}")
        return rules


@dataclass(frozen=True, slots=True)
class RuleBook:
    """The rules of every path.

    Attributes:
        largest: The longest window and the most slots of all paths: what a table must have room for. It is also what a
            table judges by that knows keys as digests only: a shorter window then counts as running for as long.
    """

    usual: Rules
    largest: Rules
    of_paths: Mapping[str, Rules]

    @classmethod
    def of(cls, limits: Limits) -> RuleBook:
        """Convert ``limits``; raises ``ValueError`` as ``Rules.of`` does."""
        usual = Rules.of(limits)
        of_paths = {path: Rules._of(limits, allowance) for path, allowance in limits.of_paths.items()}
        every = [usual, *of_paths.values()]
        largest = replace(
            usual,
            window_ms=max(rules.window_ms for rules in every),
            in_flight=max(rules.in_flight for rules in every),
        )
        return cls(usual, largest, of_paths)

    def of_key(self, key: LimitKey) -> Rules:
        """Return what a key is counted by."""
        return self.of_paths.get(key.path, self.usual)


def milliseconds_of(clock: Callable[[], float]) -> int:
    """Read a clock that counts seconds as whole milliseconds."""
    return int(clock() * 1000)


def is_running(window: int, *, now_ms: int, window_ms: int) -> bool:
    """Tell whether the window still counts.

    A start in the future belongs to a process that read the clock a moment later, and counts; one further ahead than
    a whole window was left by a machine that has booted since, and does not.
    """
    return bool(window & COUNT_MASK) and abs(now_ms - (window >> COUNT_BITS)) < window_ms


def count_request(window: int, *, now_ms: int, rules: Rules) -> tuple[int, Verdict]:
    """Count one request against a window, unless it is full.

    Returns:
        The window to keep (the same one after a refusal: refusals do not extend it), and the verdict.
    """
    if not is_running(window, now_ms=now_ms, window_ms=rules.window_ms):
        return now_ms << COUNT_BITS | 1, allowed(rules.rate - 1, (rules.window_ms + 999) // 1000)
    count = window & COUNT_MASK
    # Rounded up, and at least 1, because the window is running.
    seconds = ((window >> COUNT_BITS) + rules.window_ms - now_ms + 999) // 1000
    if count >= rules.rate:
        return window, refused(seconds)
    return window + 1, allowed(rules.rate - count - 1, seconds)


@lru_cache(maxsize=1024)
def allowed(remaining: int, reset_after_seconds: int) -> Verdict:
    """Return the verdict that lets a request pass; kept, because making one costs as much as the counting."""
    return Verdict(allowed=True, remaining=remaining, reset_after_seconds=reset_after_seconds)


@lru_cache(maxsize=1024)
def refused(seconds: int) -> Verdict:
    """Return the refusal of a full window that ends in so many seconds."""
    return Verdict(allowed=False, retry_after_seconds=seconds, reset_after_seconds=seconds)


TRY_SOON: Final = Verdict(allowed=False, retry_after_seconds=1)
"""The refusal where nobody knows when a retry passes: all slots are taken, or no key can be forgotten."""
