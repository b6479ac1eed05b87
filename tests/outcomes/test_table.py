"""Every result and every error of an engine has its status, code, sentence and shape."""

from __future__ import annotations

from typing import Any

import pytest

from openclaw_webhooks.actions.values import (
    Action,
    CancelFlow,
    CreateFlow,
    FinishFlow,
    GetFlow,
    GetTaskSummary,
    ListFlows,
    RunTask,
)
from openclaw_webhooks.engines.records import FlowStatus, TaskRuntime, TaskSummary
from openclaw_webhooks.engines.results import (
    Applied,
    Cancelled,
    CancelRefusal,
    FlowCreated,
    FlowNotCreated,
    MutationRefusal,
    NotApplied,
    NotCancelled,
    RunTaskRefusal,
    TaskCreated,
    TaskNotCreated,
)
from openclaw_webhooks.exceptions import EngineError, EngineRefused, EngineUnavailable, OutcomeUnknown, PersistFailed
from openclaw_webhooks.outcomes import (
    FlowRead,
    FlowsRead,
    Outcome,
    SummaryRead,
    build_error_outcome,
    build_outcome,
    envelope,
)
from openclaw_webhooks.outcomes.table import CANCEL_REFUSALS, MUTATION_REFUSALS, RUN_TASK_REFUSALS
from tests.outcomes.views import BARE_FLOW, build_task
from tests.stub_engine import build_flow

FINISH = FinishFlow(flow_id="flow-1", expected_revision=3)
RUN = RunTask(flow_id="flow-1", runtime=TaskRuntime.ACP, task="Inspect")
CREATE = CreateFlow(goal="g")
CANCEL = CancelFlow(flow_id="flow-1")


def told(outcome: Outcome) -> tuple[int, str | None, str | None]:
    return outcome.status, outcome.code, outcome.error


@pytest.mark.parametrize(
    ("result", "shape"),
    [
        (FlowRead(None), {"flow": None}),
        (FlowRead(build_flow()), {"flow": BARE_FLOW}),
        (FlowsRead([]), {"flows": []}),
        (FlowsRead([build_flow()]), {"flows": [BARE_FLOW]}),
        (SummaryRead(None), {"summary": None}),
        (FlowCreated(build_flow()), {"created": True, "flow": BARE_FLOW}),
        (Applied(build_flow()), {"applied": True, "flow": BARE_FLOW}),
        (Cancelled(build_flow(), []), {"found": True, "cancelled": True, "flow": BARE_FLOW, "tasks": []}),
    ],
)
def test_success(result: Any, shape: Any) -> None:
    outcome = build_outcome(result)
    assert told(outcome) == (200, None, None)
    assert outcome.result == shape


def test_success_of_a_summary_and_a_task() -> None:
    assert build_outcome(SummaryRead(TaskSummary(by_status={}, by_runtime={}))).result["summary"]
    outcome = build_outcome(TaskCreated(build_flow(), build_task()))
    assert list(outcome.result) == ["created", "flow", "task"]


def test_a_flow_that_the_engine_did_not_want() -> None:
    outcome = build_outcome(FlowNotCreated())
    assert (outcome.status, outcome.code) == (409, "create_rejected")
    assert outcome.result == {"created": False, "code": "create_rejected"}
    assert outcome.error


@pytest.mark.parametrize(
    ("code", "status", "error"),
    [
        ("not_found", 404, "TaskFlow not found."),
        ("not_managed", 409, "TaskFlow is not managed by this webhook surface."),
        ("revision_conflict", 409, "TaskFlow changed since the caller's expected revision."),
        ("persist_failed", 503, "TaskFlow persistence failed."),
        ("mutation_rejected", 409, "The engine did not accept the change."),
    ],
)
def test_a_change_that_was_not_applied(code: str, status: int, error: str) -> None:
    outcome = build_outcome(NotApplied(MutationRefusal(code)))
    assert told(outcome) == (status, code, error)
    assert outcome.result == {"applied": False, "code": code}
    known = build_outcome(NotApplied(MutationRefusal(code), build_flow()))
    assert known.result == {"applied": False, "code": code, "current": BARE_FLOW}


@pytest.mark.parametrize(
    ("code", "status", "error", "reason"),
    [
        ("not_found", 404, "TaskFlow not found.", "Flow not found."),
        ("cancel_pending", 202, None, "One or more child tasks are still active."),
        ("revision_conflict", 409, ..., "Flow changed while cancellation was in progress."),
        ("terminal", 409, ..., "Flow is already succeeded."),
        ("persist_failed", 503, ..., "TaskFlow persistence failed."),
        ("cancel_rejected", 409, ..., "The engine did not accept the cancellation."),
    ],
)
def test_a_flow_that_was_not_cancelled(code: str, status: int, error: Any, reason: str) -> None:
    flow = build_flow(status=FlowStatus.SUCCEEDED)
    outcome = build_outcome(NotCancelled(CancelRefusal(code), flow=flow, tasks=[build_task()]))
    assert told(outcome) == (status, code, reason if error is ... else error)
    assert list(outcome.result) == ["found", "cancelled", "reason", "flow", "tasks"]
    assert outcome.result["found"] is (code != "not_found")
    assert (outcome.result["cancelled"], outcome.result["reason"]) == (False, reason)


@pytest.mark.parametrize(
    ("code", "status", "error", "reason"),
    [
        ("not_found", 404, "TaskFlow not found.", "Flow not found."),
        ("not_managed", 409, ..., "Flow does not accept managed child tasks."),
        ("cancel_requested", 409, ..., "Flow cancellation has already been requested."),
        ("terminal", 409, ..., "Flow is already lost."),
        ("persist_failed", 503, ..., "Task persistence failed."),
        ("task_not_created", 409, ..., "The engine did not create the task."),
    ],
)
def test_a_task_that_was_not_created(code: str, status: int, error: Any, reason: str) -> None:
    outcome = build_outcome(TaskNotCreated(RunTaskRefusal(code), flow=build_flow(status=FlowStatus.LOST)))
    assert told(outcome) == (status, code, reason if error is ... else error)
    assert list(outcome.result) == ["found", "created", "reason", "flow"]
    assert outcome.result["found"] is (code != "not_found")
    assert (outcome.result["created"], outcome.result["reason"]) == (False, reason)


def test_what_is_not_known_is_left_out() -> None:
    assert build_outcome(NotCancelled(CancelRefusal.NOT_FOUND)).result == {
        "found": False,
        "cancelled": False,
        "reason": "Flow not found.",
    }
    assert list(build_outcome(TaskNotCreated(RunTaskRefusal.NOT_FOUND)).result) == ["found", "created", "reason"]
    assert build_outcome(NotCancelled(CancelRefusal.TERMINAL)).error == "Flow is already finished."


def test_an_engines_own_reason_is_passed_on() -> None:
    outcome = build_outcome(TaskNotCreated(RunTaskRefusal.OTHER, "Out of {workers}."))
    assert (outcome.error, outcome.result["reason"]) == ("Out of {workers}.", "Out of {workers}.")


def test_every_refusal_has_an_answer() -> None:
    assert set(MUTATION_REFUSALS) == set(MutationRefusal)
    assert set(CANCEL_REFUSALS) == set(CancelRefusal)
    assert set(RUN_TASK_REFUSALS) == set(RunTaskRefusal)


@pytest.mark.parametrize("action", [GetFlow(flow_id="f"), ListFlows(), GetTaskSummary(flow_id="f")])
@pytest.mark.parametrize("error", [EngineUnavailable("x"), PersistFailed("x"), EngineError("x"), OutcomeUnknown("x")])
def test_a_read_of_an_engine_that_is_away(action: Action, error: EngineError) -> None:
    outcome = build_error_outcome(action, error)
    assert (outcome.status, outcome.code, outcome.retry_after_seconds) == (503, "engine_unavailable", 1)
    assert outcome.result == {}


@pytest.mark.parametrize("error", [PersistFailed("canary"), EngineUnavailable("canary")])
@pytest.mark.parametrize(
    ("action", "result"),
    [
        (CREATE, {"created": False, "code": "persist_failed"}),
        (FINISH, {"applied": False, "code": "persist_failed"}),
        (CANCEL, {"found": True, "cancelled": False, "reason": "TaskFlow persistence failed."}),
        (RUN, {"found": True, "created": False, "reason": "Task persistence failed."}),
    ],
)
def test_a_mutation_that_certainly_did_not_happen(action: Action, result: Any, error: EngineError) -> None:
    outcome = build_error_outcome(action, error)
    assert (outcome.status, outcome.code, outcome.retry_after_seconds) == (503, "persist_failed", None)
    assert outcome.result == result
    assert b"canary" not in envelope("r", outcome)


@pytest.mark.parametrize(
    ("action", "error", "result"),
    [
        (FINISH, OutcomeUnknown("x"), {"flowId": "flow-1"}),
        (FINISH, EngineError("x"), {"flowId": "flow-1"}),
        (CREATE, OutcomeUnknown("x", flow_id="flow-2"), {"flowId": "flow-2"}),
        (CREATE, OutcomeUnknown("x"), {}),
    ],
)
def test_a_mutation_whose_answer_was_lost(action: Action, error: EngineError, result: Any) -> None:
    outcome = build_error_outcome(action, error)
    assert (outcome.status, outcome.code, outcome.result) == (503, "outcome_unknown", result)


@pytest.mark.parametrize("action", [GetFlow(flow_id="f"), FINISH, CREATE])
def test_a_refusal_without_a_reason(action: Action) -> None:
    outcome = build_error_outcome(action, EngineRefused("canary"))
    assert (outcome.status, outcome.code, outcome.result) == (409, "request_rejected", {})
    assert b"canary" not in envelope("r", outcome)
