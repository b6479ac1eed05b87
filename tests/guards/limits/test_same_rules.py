"""Shared memory and process memory answer alike, whatever is asked in whatever order."""

from __future__ import annotations

from pathlib import Path

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from openclaw_webhooks.guards.limits.base import Lease, Limits, Verdict
from openclaw_webhooks.guards.limits.process_memory import ProcessMemoryStore
from openclaw_webhooks.guards.limits.shared_memory import SharedMemoryStore
from tests.guards.limits.builders import HandClock, key, table_path

LIMITS = Limits(rate=2, window_seconds=60, in_flight=2, tracked_keys=3, lease_seconds=30)
TICK_SECONDS = 1 / 512  # More than a millisecond, and exact in binary: no two ticks share a millisecond.
CLIENTS = st.sampled_from("abcde")


class SameRules(RuleBasedStateMachine):
    """Both stores on one clock, which ticks with every request, so that no two windows are of one age."""

    def __init__(self) -> None:
        super().__init__()
        self.clock = HandClock()
        self.path = table_path()
        self.shared = SharedMemoryStore(path=self.path, limits=LIMITS, clock=self.clock)
        self.process = ProcessMemoryStore(limits=LIMITS, clock=self.clock)
        self.leases: list[tuple[Lease, Lease]] = []

    @rule(client=CLIENTS)
    def hit(self, client: str) -> None:
        self.clock.seconds += TICK_SECONDS
        assert self.shared.hit(key(client)) == self.process.hit(key(client))

    @rule(client=CLIENTS)
    def acquire(self, client: str) -> None:
        self.clock.seconds += TICK_SECONDS
        shared, process = self.shared.acquire(key(client)), self.process.acquire(key(client))
        if isinstance(shared, Verdict) or isinstance(process, Verdict):
            assert shared == process
        else:
            self.leases.append((shared, process))

    @precondition(lambda self: self.leases)
    @rule(data=st.data(), again=st.booleans())
    def release(self, data: st.DataObject, again: bool) -> None:
        pair = data.draw(st.sampled_from(self.leases))
        for lease in pair:
            lease.release()
        if not again:
            self.leases.remove(pair)

    @precondition(lambda self: self.leases)
    @rule(data=st.data())
    def renew(self, data: st.DataObject) -> None:
        for lease in data.draw(st.sampled_from(self.leases)):
            lease.renew()

    @rule(seconds=st.sampled_from([0.5, 10, 14.5, 16, 29, 30, 45, 60]))
    def wait(self, seconds: float) -> None:
        self.clock.seconds += seconds

    @invariant()
    def count_alike(self) -> None:
        assert self.shared.stats() == self.process.stats()

    def teardown(self) -> None:
        self.shared.close()
        assert not Path(self.path).exists()


TestSameRules = SameRules.TestCase
TestSameRules.settings = settings(max_examples=60, stateful_step_count=40)
