"""Engines that say what a test wants them to say; for what no real engine can be brought to answer."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from openclaw_webhooks.engines.records import (
    FlowRecord,
    FlowStatus,
    NotifyPolicy,
    TaskSummary,
)
from openclaw_webhooks.engines.results import (
    CancelRefusal,
    CancelResult,
    CreateResult,
    FlowCreated,
    MutationRefusal,
    MutationResult,
    NotApplied,
    NotCancelled,
    RunTaskRefusal,
    RunTaskResult,
    TaskNotCreated,
)


def build_flow(**changes: Any) -> FlowRecord:
    """Build a flow record with nothing optional in it."""
    record: dict[str, Any] = {
        "flow_id": "flow-1",
        "revision": 0,
        "status": FlowStatus.QUEUED,
        "notify_policy": NotifyPolicy.DONE_ONLY,
        "goal": "Review inbound queue",
        "created_at_ms": 1_700_000_000_000,
        "updated_at_ms": 1_700_000_000_001,
    }
    return FlowRecord(**{**record, **changes})


class StubFlows:
    """The flows of a session that holds none; a test sets the answers it wants, or an error, by method name.

    ``calls`` lists the method names and arguments in order.
    """

    def __init__(self, **answers: Any) -> None:
        self.answers = answers
        self.calls: list[tuple[str, tuple[Any, ...], dict[str, Any]]] = []

    def _answer(self, name: str, otherwise: Any, args: tuple[Any, ...], options: dict[str, Any]) -> Any:
        self.calls.append((name, args, options))
        answer = self.answers.get(name, otherwise)
        if isinstance(answer, Exception):
            raise answer
        return answer

    def create_flow(self, *args: Any, **options: Any) -> CreateResult:
        flow = build_flow(goal=options["goal"], controller_id=options["controller_id"])
        return self._answer("create_flow", FlowCreated(flow), args, options)

    def get_flow(self, *args: Any) -> FlowRecord | None:
        return self._answer("get_flow", None, args, {})

    def list_flows(self) -> Sequence[FlowRecord]:
        return self._answer("list_flows", [], (), {})

    def find_latest_flow(self) -> FlowRecord | None:
        return self._answer("find_latest_flow", None, (), {})

    def resolve_flow(self, *args: Any) -> FlowRecord | None:
        return self._answer("resolve_flow", None, args, {})

    def get_task_summary(self, *args: Any) -> TaskSummary | None:
        return self._answer("get_task_summary", None, args, {})

    def set_waiting(self, *args: Any, **options: Any) -> MutationResult:
        return self._answer("set_waiting", NotApplied(MutationRefusal.NOT_FOUND), args, options)

    def resume_flow(self, *args: Any, **options: Any) -> MutationResult:
        return self._answer("resume_flow", NotApplied(MutationRefusal.NOT_FOUND), args, options)

    def finish_flow(self, *args: Any, **options: Any) -> MutationResult:
        return self._answer("finish_flow", NotApplied(MutationRefusal.NOT_FOUND), args, options)

    def fail_flow(self, *args: Any, **options: Any) -> MutationResult:
        return self._answer("fail_flow", NotApplied(MutationRefusal.NOT_FOUND), args, options)

    def request_cancel(self, *args: Any, **options: Any) -> MutationResult:
        return self._answer("request_cancel", NotApplied(MutationRefusal.NOT_FOUND), args, options)

    def cancel_flow(self, *args: Any) -> CancelResult:
        return self._answer("cancel_flow", NotCancelled(CancelRefusal.NOT_FOUND), args, {})

    def run_task(self, *args: Any, **options: Any) -> RunTaskResult:
        return self._answer("run_task", TaskNotCreated(RunTaskRefusal.NOT_FOUND), args, options)
