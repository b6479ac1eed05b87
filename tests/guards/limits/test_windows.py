from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from openclaw_webhooks.guards.limits.base import Limits
from openclaw_webhooks.guards.limits.windows import (
    COUNT_BITS,
    COUNT_MASK,
    NO_WINDOW,
    Rules,
    count_request,
    is_running,
)

RULES = Rules.of(Limits(rate=3, window_seconds=60))


@pytest.mark.parametrize(
    "limits",
    [
        Limits(rate=0),
        Limits(rate=COUNT_MASK + 1),
        Limits(window_seconds=0.0005),
        Limits(in_flight=0),
        Limits(tracked_keys=0),
        Limits(lease_seconds=-1),
    ],
)
def test_limits_that_cannot_be_counted_are_refused(limits: Limits) -> None:
    with pytest.raises(ValueError, match="out of range"):
        Rules.of(limits)


@pytest.mark.parametrize(("wait_ms", "seconds"), [(1, 1), (1000, 1), (1001, 2), (60_000, 60)])
def test_a_wait_is_rounded_up_to_whole_seconds(wait_ms: int, seconds: int) -> None:
    full = 1_000_000 << COUNT_BITS | RULES.rate
    window, verdict = count_request(full, now_ms=1_060_000 - wait_ms, rules=RULES)
    assert window == full
    assert (verdict.retry_after_seconds, verdict.reset_after_seconds) == (seconds, seconds)


def test_no_window_is_running_even_just_after_boot() -> None:
    assert not is_running(NO_WINDOW, now_ms=5, window_ms=60_000)


@pytest.mark.parametrize(("ahead_ms", "running"), [(0, True), (5, True), (59_999, True), (60_000, False)])
def test_a_start_in_the_future_counts_unless_it_is_from_another_boot(ahead_ms: int, running: bool) -> None:
    window = (1_000_000 + ahead_ms) << COUNT_BITS | 1
    assert is_running(window, now_ms=1_000_000, window_ms=60_000) is running


@given(steps=st.lists(st.integers(min_value=0, max_value=70_000), max_size=60))
def test_no_window_lets_more_than_its_rate_pass(steps: list[int]) -> None:
    now_ms, window, passed = 1_000_000, NO_WINDOW, dict[int, int]()
    for step in steps:
        now_ms += step
        window, verdict = count_request(window, now_ms=now_ms, rules=RULES)
        start = window >> COUNT_BITS
        assert start <= now_ms < start + RULES.window_ms
        if verdict.allowed:
            passed[start] = passed.get(start, 0) + 1
            assert verdict.remaining == RULES.rate - passed[start]
            assert 0 <= verdict.reset_after_seconds * 1000 - (start + RULES.window_ms - now_ms) < 1000
        else:
            assert passed[start] == RULES.rate
            assert (verdict.retry_after_seconds - 1) * 1000 < start + RULES.window_ms - now_ms
    starts = sorted(passed)
    assert all(later - earlier >= RULES.window_ms for earlier, later in pairwise(starts))
