"""What an engine answered or raised becomes an outcome: one table of statuses, codes and sentences.

Owns every status, code and sentence of step 9. What is not in the table is not guessed at: an unknown result does not
type-check, an unknown error of a mutation counts as an unknown outcome.

Source: contract.md section 5; statuses, codes and the shape of results as the Gateway was seen to answer.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Final, NamedTuple, TypeAlias, assert_never

from openclaw_webhooks.actions.values import (
    Action,
    CancelFlow,
    CreateFlow,
    FailFlow,
    FinishFlow,
    RequestCancel,
    ResumeFlow,
    RunTask,
    SetWaiting,
)
from openclaw_webhooks.engines.records import FlowRecord, TaskRecord, TaskSummary
from openclaw_webhooks.engines.results import (
    Applied,
    Cancelled,
    CancelRefusal,
    CancelResult,
    CreateResult,
    FlowCreated,
    FlowNotCreated,
    MutationRefusal,
    MutationResult,
    NotApplied,
    NotCancelled,
    RunTaskRefusal,
    RunTaskResult,
    TaskCreated,
    TaskNotCreated,
)
from openclaw_webhooks.exceptions import EngineError, EngineRefused, EngineUnavailable, OutcomeUnknown, PersistFailed
from openclaw_webhooks.outcomes.listing import WrittenFlows
from openclaw_webhooks.outcomes.views import JsonObject, build_flow_view, build_summary_view, build_task_view
from openclaw_webhooks.values import JsonValue, value


@value()
class Outcome:
    """What a caller gets to know about an action.

    Attributes:
        status: HTTP status.
        code: The answer's ``code``; ``None`` for plain success.
        error: The sentence of a failure; ``None`` below 400.
        result: The answer's ``result``.
        retry_after_seconds: When asking again may help, where that is known.
    """

    status: int
    code: str | None
    error: str | None
    result: Mapping[str, JsonValue]
    retry_after_seconds: int | None = None


@value()
class FlowRead:
    """What ``get_flow``, ``find_latest_flow`` and ``resolve_flow`` found."""

    flow: FlowRecord | None


@value()
class FlowsRead:
    """What ``list_flows`` found."""

    flows: Sequence[FlowRecord]


@value()
class FlowsWritten:
    """What ``list_flows`` found, as the JSON array that the engine has written of it."""

    text: str


@value()
class SummaryRead:
    """What ``get_task_summary`` found."""

    summary: TaskSummary | None


ReadResult: TypeAlias = FlowRead | FlowsRead | FlowsWritten | SummaryRead
EngineResult: TypeAlias = ReadResult | CreateResult | MutationResult | CancelResult | RunTaskResult


class Refusal(NamedTuple):
    """How one refusal is answered.

    Attributes:
        status: HTTP status.
        error: The sentence for the caller; ``None`` where the refusal's own reason is the sentence.
        reason: The reason where the engine gave none; ``{status}`` stands for the flow's.
    """

    status: HTTPStatus
    error: str | None = None
    reason: str | None = None


CREATE_REJECTED: Final = "create_rejected"
REQUEST_REJECTED: Final = "request_rejected"
PERSIST_FAILED: Final = "persist_failed"
ENGINE_UNAVAILABLE: Final = "engine_unavailable"
OUTCOME_UNKNOWN: Final = "outcome_unknown"

_NO_FLOW: Final = "TaskFlow not found."
_NOT_STORED: Final = "TaskFlow persistence failed."
_RETRY_AFTER_SECONDS: Final = 1

MUTATION_REFUSALS: Final[Mapping[MutationRefusal, Refusal]] = {
    MutationRefusal.NOT_FOUND: Refusal(HTTPStatus.NOT_FOUND, _NO_FLOW),
    MutationRefusal.NOT_MANAGED: Refusal(HTTPStatus.CONFLICT, "TaskFlow is not managed by this webhook surface."),
    MutationRefusal.REVISION_CONFLICT: Refusal(
        HTTPStatus.CONFLICT, "TaskFlow changed since the caller's expected revision."
    ),
    MutationRefusal.PERSIST_FAILED: Refusal(HTTPStatus.SERVICE_UNAVAILABLE, _NOT_STORED),
    MutationRefusal.OTHER: Refusal(HTTPStatus.CONFLICT, "The engine did not accept the change."),
}
CANCEL_REFUSALS: Final[Mapping[CancelRefusal, Refusal]] = {
    CancelRefusal.NOT_FOUND: Refusal(HTTPStatus.NOT_FOUND, _NO_FLOW, "Flow not found."),
    CancelRefusal.PENDING: Refusal(HTTPStatus.ACCEPTED, None, "One or more child tasks are still active."),
    CancelRefusal.REVISION_CONFLICT: Refusal(
        HTTPStatus.CONFLICT, None, "Flow changed while cancellation was in progress."
    ),
    CancelRefusal.TERMINAL: Refusal(HTTPStatus.CONFLICT, None, "Flow is already {status}."),
    CancelRefusal.PERSIST_FAILED: Refusal(HTTPStatus.SERVICE_UNAVAILABLE, None, _NOT_STORED),
    CancelRefusal.OTHER: Refusal(HTTPStatus.CONFLICT, None, "The engine did not accept the cancellation."),
}
RUN_TASK_REFUSALS: Final[Mapping[RunTaskRefusal, Refusal]] = {
    RunTaskRefusal.NOT_FOUND: Refusal(HTTPStatus.NOT_FOUND, _NO_FLOW, "Flow not found."),
    RunTaskRefusal.NOT_MANAGED: Refusal(HTTPStatus.CONFLICT, None, "Flow does not accept managed child tasks."),
    RunTaskRefusal.CANCEL_REQUESTED: Refusal(
        HTTPStatus.CONFLICT, None, "Flow cancellation has already been requested."
    ),
    RunTaskRefusal.TERMINAL: Refusal(HTTPStatus.CONFLICT, None, "Flow is already {status}."),
    RunTaskRefusal.PERSIST_FAILED: Refusal(HTTPStatus.SERVICE_UNAVAILABLE, None, "Task persistence failed."),
    RunTaskRefusal.OTHER: Refusal(HTTPStatus.CONFLICT, None, "The engine did not create the task."),
}


def build_outcome(result: EngineResult) -> Outcome:
    """Return the outcome of an action that the engine answered."""
    match result:
        case FlowRead() | FlowsRead() | FlowsWritten() | SummaryRead():
            return _success(_build_read_result(result))
        case FlowCreated() | FlowNotCreated():
            return _build_create_outcome(result)
        case Applied() | NotApplied():
            return _build_mutation_outcome(result)
        case Cancelled() | NotCancelled():
            return _build_cancel_outcome(result)
        case TaskCreated() | TaskNotCreated():
            return _build_run_task_outcome(result)
        case _:
            assert_never(result)


def build_error_outcome(action: Action, error: EngineError) -> Outcome:
    """Return the outcome of an action that the engine could not carry out."""
    if isinstance(error, EngineRefused):
        return Outcome(HTTPStatus.CONFLICT, REQUEST_REJECTED, "The engine did not accept the request.", {})
    if not isinstance(action, _MUTATIONS):
        return _unavailable(ENGINE_UNAVAILABLE, "The engine cannot be reached.", {}, _RETRY_AFTER_SECONDS)
    if isinstance(error, PersistFailed | EngineUnavailable):
        return _build_persist_failed(action)
    known = error.flow_id if isinstance(error, OutcomeUnknown) else None
    flow_id = known or getattr(action, "flow_id", None)
    return _unavailable(
        OUTCOME_UNKNOWN,
        "The engine did not answer in time; the change may or may not have happened.",
        {"flowId": flow_id} if flow_id else {},
    )


_MUTATIONS: Final = (
    CreateFlow,
    SetWaiting,
    ResumeFlow,
    FinishFlow,
    FailFlow,
    RequestCancel,
    CancelFlow,
    RunTask,
)


def _build_persist_failed(action: Action) -> Outcome:
    """Answer as if the engine had returned the refusal, so that a caller meets one shape for either."""
    match action:
        case CreateFlow():
            return _unavailable(PERSIST_FAILED, _NOT_STORED, {"created": False, "code": PERSIST_FAILED})
        case CancelFlow():
            return _build_cancel_outcome(NotCancelled(CancelRefusal.PERSIST_FAILED))
        case RunTask():
            return _build_run_task_outcome(TaskNotCreated(RunTaskRefusal.PERSIST_FAILED))
        case _:
            return _build_mutation_outcome(NotApplied(MutationRefusal.PERSIST_FAILED))


def _success(result: Mapping[str, JsonValue]) -> Outcome:
    return Outcome(HTTPStatus.OK, None, None, result)


def _unavailable(code: str, error: str, result: JsonObject, retry_after_seconds: int | None = None) -> Outcome:
    return Outcome(HTTPStatus.SERVICE_UNAVAILABLE, code, error, result, retry_after_seconds)


def _build_read_result(result: ReadResult) -> Mapping[str, JsonValue]:
    match result:
        case FlowRead(flow):
            return {"flow": None if flow is None else build_flow_view(flow)}
        case FlowsRead(flows):
            return {"flows": [build_flow_view(flow) for flow in flows]}
        case FlowsWritten(text):
            return WrittenFlows(text)
        case SummaryRead(summary):
            return {"summary": None if summary is None else build_summary_view(summary)}
        case _:
            assert_never(result)


def _build_create_outcome(result: CreateResult) -> Outcome:
    if isinstance(result, FlowCreated):
        return _success({"created": True, "flow": build_flow_view(result.flow)})
    return Outcome(
        HTTPStatus.CONFLICT,
        CREATE_REJECTED,
        "The engine did not create the flow.",
        {"created": False, "code": CREATE_REJECTED},
    )


def _build_mutation_outcome(result: MutationResult) -> Outcome:
    if isinstance(result, Applied):
        return _success({"applied": True, "flow": build_flow_view(result.flow)})
    refusal = MUTATION_REFUSALS[result.code]
    answer: JsonObject = {"applied": False, "code": result.code.value}
    if result.current is not None:
        answer["current"] = build_flow_view(result.current)
    return Outcome(refusal.status, result.code.value, refusal.error, answer)


def _build_cancel_outcome(result: CancelResult) -> Outcome:
    if isinstance(result, Cancelled):
        answer: JsonObject = {"found": True, "cancelled": True}
        return _success(answer | _describe(flow=result.flow) | _describe_tasks(result.tasks))
    refusal = CANCEL_REFUSALS[result.code]
    reason = _reason(refusal, result.reason, result.flow)
    answer = {"found": result.code is not CancelRefusal.NOT_FOUND, "cancelled": False, "reason": reason}
    error = None if refusal.status is HTTPStatus.ACCEPTED else refusal.error or reason
    result_view = answer | _describe(flow=result.flow) | _describe_tasks(result.tasks)
    return Outcome(refusal.status, result.code.value, error, result_view)


def _build_run_task_outcome(result: RunTaskResult) -> Outcome:
    if isinstance(result, TaskCreated):
        flow_view, task_view = build_flow_view(result.flow), build_task_view(result.task)
        return _success({"created": True, "flow": flow_view, "task": task_view})
    refusal = RUN_TASK_REFUSALS[result.code]
    reason = _reason(refusal, result.reason, result.flow)
    answer: JsonObject = {
        "found": result.code is not RunTaskRefusal.NOT_FOUND,
        "created": False,
        "reason": reason,
    }
    return Outcome(refusal.status, result.code.value, refusal.error or reason, answer | _describe(flow=result.flow))


def _reason(refusal: Refusal, given: str | None, flow: FlowRecord | None) -> str:
    status = "finished" if flow is None else flow.status.value
    return given or (refusal.reason or "").format(status=status)


def _describe(*, flow: FlowRecord | None) -> JsonObject:
    return {} if flow is None else {"flow": build_flow_view(flow)}


def _describe_tasks(tasks: Sequence[TaskRecord] | None) -> JsonObject:
    return {} if tasks is None else {"tasks": [build_task_view(task) for task in tasks]}
