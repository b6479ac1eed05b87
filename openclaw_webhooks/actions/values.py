"""One frozen value per action: what a body has become once it passed its schema. Knows neither Django nor HTTP.

``UNSET`` is a field the caller did not send; ``None`` one that was sent as null. Field names are the wire's in
snake_case, times and revisions whole numbers.

Source: specification.txt ("Supported actions"), contract.md section 4.
"""

from __future__ import annotations

from typing import ClassVar, TypeAlias

from openclaw_webhooks.engines.records import (
    FlowStatus,
    NotifyPolicy,
    TaskRuntime,
    TaskStatus,
)
from openclaw_webhooks.values import UNSET, JsonValue, Unset, value


@value(kw_only=True)
class CreateFlow:
    """Create a managed TaskFlow for the route's session."""

    name: ClassVar[str] = "create_flow"
    goal: str
    controller_id: str | Unset = UNSET
    status: FlowStatus | Unset = UNSET
    notify_policy: NotifyPolicy | Unset = UNSET
    current_step: str | Unset | None = UNSET
    state_json: JsonValue | Unset = UNSET
    wait_json: JsonValue | Unset = UNSET


@value(kw_only=True)
class GetFlow:
    """Fetch one TaskFlow by id."""

    name: ClassVar[str] = "get_flow"
    flow_id: str


@value(kw_only=True)
class ListFlows:
    """List the TaskFlows of the route's session."""

    name: ClassVar[str] = "list_flows"


@value(kw_only=True)
class FindLatestFlow:
    """Fetch the most recently updated TaskFlow."""

    name: ClassVar[str] = "find_latest_flow"


@value(kw_only=True)
class ResolveFlow:
    """Resolve a TaskFlow by opaque token."""

    name: ClassVar[str] = "resolve_flow"
    token: str


@value(kw_only=True)
class GetTaskSummary:
    """Count the tasks of a TaskFlow."""

    name: ClassVar[str] = "get_task_summary"
    flow_id: str


@value(kw_only=True)
class SetWaiting:
    """Mark a TaskFlow waiting, with optional state and wait data."""

    name: ClassVar[str] = "set_waiting"
    flow_id: str
    expected_revision: int
    current_step: str | Unset | None = UNSET
    state_json: JsonValue | Unset = UNSET
    wait_json: JsonValue | Unset = UNSET
    blocked_task_id: str | Unset | None = UNSET
    blocked_summary: str | Unset | None = UNSET


@value(kw_only=True)
class ResumeFlow:
    """Resume a waiting or blocked TaskFlow."""

    name: ClassVar[str] = "resume_flow"
    flow_id: str
    expected_revision: int
    status: FlowStatus | Unset = UNSET
    current_step: str | Unset | None = UNSET
    state_json: JsonValue | Unset = UNSET


@value(kw_only=True)
class FinishFlow:
    """Mark a TaskFlow finished."""

    name: ClassVar[str] = "finish_flow"
    flow_id: str
    expected_revision: int
    state_json: JsonValue | Unset = UNSET


@value(kw_only=True)
class FailFlow:
    """Mark a TaskFlow failed."""

    name: ClassVar[str] = "fail_flow"
    flow_id: str
    expected_revision: int
    state_json: JsonValue | Unset = UNSET
    blocked_task_id: str | Unset | None = UNSET
    blocked_summary: str | Unset | None = UNSET


@value(kw_only=True)
class RequestCancel:
    """Request cooperative cancellation."""

    name: ClassVar[str] = "request_cancel"
    flow_id: str
    expected_revision: int


@value(kw_only=True)
class CancelFlow:
    """Cancel a TaskFlow; children may still be active."""

    name: ClassVar[str] = "cancel_flow"
    flow_id: str


@value(kw_only=True)
class RunTask:
    """Create a managed child task inside an existing TaskFlow."""

    name: ClassVar[str] = "run_task"
    flow_id: str
    runtime: TaskRuntime
    task: str
    source_id: str | Unset = UNSET
    child_session_key: str | Unset = UNSET
    parent_task_id: str | Unset = UNSET
    agent_id: str | Unset = UNSET
    run_id: str | Unset = UNSET
    label: str | Unset = UNSET
    prefer_metadata: bool | Unset = UNSET
    notify_policy: NotifyPolicy | Unset = UNSET
    status: TaskStatus | Unset = UNSET
    started_at: int | Unset = UNSET
    last_event_at: int | Unset = UNSET
    progress_summary: str | Unset | None = UNSET


Action: TypeAlias = (
    CreateFlow
    | GetFlow
    | ListFlows
    | FindLatestFlow
    | ResolveFlow
    | GetTaskSummary
    | SetWaiting
    | ResumeFlow
    | FinishFlow
    | FailFlow
    | RequestCancel
    | CancelFlow
    | RunTask
)


@value()
class Fault:
    """Why a body is no action: the first faulty field in the schema's order.

    Attributes:
        path: Dotted path of the field as the wire names it, ``""`` where the body itself or its keys are at fault.
        message: What is wrong, without the path.
        action: The action's name, where that much was clear.
    """

    path: str
    message: str
    action: str | None = None

    def __str__(self) -> str:
        """Return the text of the answer: ``field.path: what is wrong``."""
        return f"{self.path}: {self.message}" if self.path else self.message
