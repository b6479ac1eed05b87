"""The engine against a model of a few dozen lines, driven by Hypothesis, over two sessions that must never meet."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

from openclaw_webhooks.engines.records import (
    TERMINAL_FLOW_STATUSES,
    FlowRecord,
    FlowStatus,
    TaskRuntime,
    TaskStatus,
)
from openclaw_webhooks.engines.results import (
    Applied,
    Cancelled,
    MutationRefusal,
    NotApplied,
    NotCancelled,
    TaskCreated,
    TaskNotCreated,
)
from openclaw_webhooks.values import UNSET
from tests.contract.adapters import EngineUnderTest
from tests.contract.builders import create

TEXT = st.sampled_from([UNSET, None, "a", "b"])
JSON = st.sampled_from([UNSET, None, 0, [], {"k": "v"}])
GIVEN = st.fixed_dictionaries({"current_step": TEXT, "state_json": JSON, "wait_json": JSON})
BLOCKED = st.fixed_dictionaries({"blocked_task_id": TEXT, "blocked_summary": TEXT})


def keep(given: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in given.items() if value is not UNSET}


class Machine(RuleBasedStateMachine):
    """What the flows and tasks of two sessions must look like, kept beside the engine's own."""

    under_test: EngineUnderTest
    flows = Bundle("flows")

    @initialize()
    def start(self) -> None:
        self.sessions = [self.under_test.new_session(), self.under_test.new_session()]
        self.known: list[dict[str, FlowRecord]] = [{}, {}]
        self.active: dict[str, list[str]] = {}

    @rule(target=flows, who=st.integers(0, 1), given=GIVEN)
    def create(self, who: int, given: dict[str, Any]) -> tuple[int, str]:
        flow = create(self.sessions[who], **{**given, "current_step": given["current_step"] or None})
        self.known[who][flow.flow_id] = flow
        self.active[flow.flow_id] = []
        return who, flow.flow_id

    def change(
        self, name: str, who: int, flow_id: str, stale: int, given: dict[str, Any], effect: dict[str, Any]
    ) -> None:
        """Change as session ``who`` at its revision less ``stale``, and do to the model what should have happened."""
        before = self.known[who].get(flow_id)
        revision = max(0, (before.revision if before else 0) - stale)
        result = getattr(self.sessions[who], name)(flow_id, expected_revision=revision, **given)
        if before is None:
            assert result == NotApplied(MutationRefusal.NOT_FOUND)
        elif revision != before.revision:
            assert result == NotApplied(MutationRefusal.REVISION_CONFLICT, before)
        else:
            assert isinstance(result, Applied)
            now = result.flow.updated_at_ms
            is_end = effect.get("status") in TERMINAL_FLOW_STATUSES
            moved = "cancel_requested_at_ms" if name == "request_cancel" else "ended_at_ms"
            times: dict[str, int | None] = {moved: None}
            if is_end or name == "request_cancel":
                times[moved] = moment = getattr(result.flow, moved)
                # An engine may read its clock once for each of the two.
                assert before.updated_at_ms <= moment <= now
            expected = replace(before, revision=revision + 1, updated_at_ms=now, **{**effect, **keep(given), **times})
            assert result.flow == expected
            self.known[who][flow_id] = expected

    @rule(who=st.integers(0, 1), flow=flows, stale=st.integers(0, 1), given=GIVEN, blocked=BLOCKED)
    def set_waiting(
        self, who: int, flow: tuple[int, str], stale: int, given: dict[str, Any], blocked: dict[str, Any]
    ) -> None:
        status = FlowStatus.BLOCKED if any(blocked.values()) else FlowStatus.WAITING
        self.change("set_waiting", who, flow[1], stale, {**given, **blocked}, {"status": status})

    @rule(who=st.integers(0, 1), flow=flows, stale=st.integers(0, 1), step=TEXT, state=JSON)
    def resume(self, who: int, flow: tuple[int, str], stale: int, step: object, state: object) -> None:
        effect = {"status": FlowStatus.QUEUED, "wait_json": None, "blocked_task_id": None, "blocked_summary": None}
        self.change("resume_flow", who, flow[1], stale, {"current_step": step, "state_json": state}, effect)

    @rule(who=st.integers(0, 1), flow=flows, stale=st.integers(0, 1), state=JSON)
    def finish(self, who: int, flow: tuple[int, str], stale: int, state: object) -> None:
        effect = {"status": FlowStatus.SUCCEEDED, "wait_json": None, "blocked_task_id": None, "blocked_summary": None}
        self.change("finish_flow", who, flow[1], stale, {"state_json": state}, effect)

    @rule(who=st.integers(0, 1), flow=flows, stale=st.integers(0, 1), state=JSON, blocked=BLOCKED)
    def fail(self, who: int, flow: tuple[int, str], stale: int, state: object, blocked: dict[str, Any]) -> None:
        effect = {"status": FlowStatus.FAILED, "wait_json": None}
        self.change("fail_flow", who, flow[1], stale, {"state_json": state, **blocked}, effect)

    @rule(who=st.integers(0, 1), flow=flows, stale=st.integers(0, 1))
    def request_cancel(self, who: int, flow: tuple[int, str], stale: int) -> None:
        self.change("request_cancel", who, flow[1], stale, {}, {})

    @rule(who=st.integers(0, 1), flow=flows)
    def run_task(self, who: int, flow: tuple[int, str]) -> None:
        result = self.sessions[who].run_task(flow[1], runtime=TaskRuntime.ACP, task="t")
        before = self.known[who].get(flow[1])
        is_open = before is not None and before.cancel_requested_at_ms is None
        if is_open and before is not None and before.status not in TERMINAL_FLOW_STATUSES:
            assert isinstance(result, TaskCreated)
            assert result.flow == before
            self.active[flow[1]].append(result.task.task_id)
        else:
            assert isinstance(result, TaskNotCreated)
            assert result.flow == before

    @rule(who=st.integers(0, 1), flow=flows)
    def cancel(self, who: int, flow: tuple[int, str]) -> None:
        result, before = self.sessions[who].cancel_flow(flow[1]), self.known[who].get(flow[1])
        if before is None or before.status in TERMINAL_FLOW_STATUSES:
            assert isinstance(result, NotCancelled)
            assert result.flow == before
            return
        assert isinstance(result, NotCancelled if self.active[flow[1]] else Cancelled)
        assert result.flow is not None
        moves = (before.cancel_requested_at_ms is None) + (not self.active[flow[1]])
        assert result.flow.revision == before.revision + moves
        self.known[who][flow[1]] = result.flow

    @rule(flow=flows)
    def end_a_task(self, flow: tuple[int, str]) -> None:
        owner, flow_id = flow
        if not self.active[flow_id] or not self.under_test.engine.capabilities.reports_tasks:
            return
        task_id = self.active[flow_id].pop()
        assert self.sessions[1 - owner].end_task(task_id, status=TaskStatus.FAILED) is None
        ended, before = self.sessions[owner].end_task(task_id, status=TaskStatus.FAILED), self.known[owner][flow_id]
        assert ended is not None
        waits = before.cancel_requested_at_ms is not None and before.status not in TERMINAL_FLOW_STATUSES
        if waits and not self.active[flow_id]:
            self.known[owner][flow_id] = replace(
                before,
                status=FlowStatus.CANCELLED,
                revision=before.revision + 1,
                wait_json=None,
                blocked_task_id=None,
                blocked_summary=None,
                ended_at_ms=ended.ended_at_ms,
                updated_at_ms=ended.ended_at_ms or 0,
            )

    @invariant()
    def every_session_has_its_own_flows_and_no_other(self) -> None:
        for session, known in zip(self.sessions, self.known, strict=True):
            assert {flow.flow_id: flow for flow in session.list_flows()} == known
            for flow_id in known:
                summary = session.get_task_summary(flow_id)
                assert summary is not None
                active = summary.by_status[TaskStatus.QUEUED] + summary.by_status[TaskStatus.RUNNING]
                assert active == len(self.active[flow_id])


def test_the_engine_agrees_with_the_model(under_test: EngineUnderTest) -> None:
    machine = type("BoundMachine", (Machine,), {"under_test": under_test})
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=40,
            stateful_step_count=25,
            suppress_health_check=list(HealthCheck),
        ),
    )
