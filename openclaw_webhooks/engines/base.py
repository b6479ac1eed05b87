"""The TaskFlow engine contract: the protocols that an engine implements; ``records`` and ``results`` are its values.

``Engine.bind_session(session_key)`` is the only method that takes a session key; everything else hangs on what it
returns, so a route can never act outside its session. Knows neither HTTP nor Django.

Source: specification.txt ("Security model"), contract.md sections 5 and 6.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from openclaw_webhooks.engines.records import (
    FlowRecord,
    FlowRevision,
    FlowStatus,
    NotifyPolicy,
    TaskRecord,
    TaskRuntime,
    TaskStatus,
    TaskSummary,
)
from openclaw_webhooks.engines.results import CancelResult, CreateResult, MutationResult, RunTaskResult
from openclaw_webhooks.values import UNSET, JsonValue, Unset

__all__ = [
    "BoundFlows",
    "BoundHistory",
    "BoundSession",
    "BoundTasks",
    "CommitsTogether",
    "Engine",
    "EngineCapabilities",
    "PausesOnLoop",
    "WritesFlows",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineCapabilities:
    """What this engine can do beyond the thirteen actions; the contract suite lists what it skips by these names."""

    reports_tasks: bool
    """Workers can report a task's progress and end (``BoundTasks``)."""
    prunes: bool
    """Old finished flows can be pruned from here."""
    keeps_history: bool
    """Earlier revisions of a flow can be read (``BoundHistory``)."""
    keeps_whole_numbers: bool
    """Whole numbers beyond 2^53 come back exactly as they were sent."""


class BoundFlows(Protocol):
    """The thirteen actions on the flows of one session. Every method blocks until its change is committed.

    Mutations raise ``PersistFailed`` (certainly nothing changed) or ``OutcomeUnknown``; reads raise
    ``EngineUnavailable``. ``UNSET`` keeps a field, ``None`` clears it (text) or stores a null (JSON).
    """

    def create_flow(
        self,
        *,
        controller_id: str,
        goal: str,
        status: FlowStatus = FlowStatus.QUEUED,
        notify_policy: NotifyPolicy = NotifyPolicy.DONE_ONLY,
        current_step: str | None = None,
        state_json: JsonValue | Unset = UNSET,
        wait_json: JsonValue | Unset = UNSET,
    ) -> CreateResult:
        """Create a managed flow at revision 0."""
        ...

    def get_flow(self, flow_id: str) -> FlowRecord | None:
        """Return one flow of the session."""
        ...

    def list_flows(self) -> Sequence[FlowRecord]:
        """Return all flows of the session, newest created first; within a millisecond the earlier inserted first."""
        ...

    def find_latest_flow(self) -> FlowRecord | None:
        """Return the most recently updated flow of the session; ties go to the later inserted."""
        ...

    def resolve_flow(self, token: str) -> FlowRecord | None:
        """Return the flow with that id, or the latest one where the token is exactly the session key."""
        ...

    def get_task_summary(self, flow_id: str) -> TaskSummary | None:
        """Count the tasks of one flow; ``None`` where the session has no such flow."""
        ...

    def set_waiting(
        self,
        flow_id: str,
        *,
        expected_revision: int,
        current_step: str | Unset | None = UNSET,
        state_json: JsonValue | Unset = UNSET,
        wait_json: JsonValue | Unset = UNSET,
        blocked_task_id: str | Unset | None = UNSET,
        blocked_summary: str | Unset | None = UNSET,
    ) -> MutationResult:
        """Mark the flow waiting, or blocked where a blocked field is given non-empty."""
        ...

    def resume_flow(
        self,
        flow_id: str,
        *,
        expected_revision: int,
        status: FlowStatus = FlowStatus.QUEUED,
        current_step: str | Unset | None = UNSET,
        state_json: JsonValue | Unset = UNSET,
    ) -> MutationResult:
        """Set the flow queued or running again and clear what it waited for."""
        ...

    def finish_flow(
        self, flow_id: str, *, expected_revision: int, state_json: JsonValue | Unset = UNSET
    ) -> MutationResult:
        """Mark the flow succeeded."""
        ...

    def fail_flow(
        self,
        flow_id: str,
        *,
        expected_revision: int,
        state_json: JsonValue | Unset = UNSET,
        blocked_task_id: str | Unset | None = UNSET,
        blocked_summary: str | Unset | None = UNSET,
    ) -> MutationResult:
        """Mark the flow failed."""
        ...

    def request_cancel(self, flow_id: str, *, expected_revision: int) -> MutationResult:
        """Record that cancellation is wanted; the status stays."""
        ...

    def cancel_flow(self, flow_id: str) -> CancelResult:
        """Cancel the flow, or record the request where children are still active."""
        ...

    def run_task(
        self,
        flow_id: str,
        *,
        runtime: TaskRuntime,
        task: str,
        source_id: str | None = None,
        child_session_key: str | None = None,
        parent_task_id: str | None = None,
        agent_id: str | None = None,
        run_id: str | None = None,
        label: str | None = None,
        prefer_metadata: bool = False,
        notify_policy: NotifyPolicy | None = None,
        status: TaskStatus = TaskStatus.QUEUED,
        started_at_ms: int | None = None,
        last_event_at_ms: int | None = None,
        progress_summary: str | None = None,
    ) -> RunTaskResult:
        """Create a child task, or find the one with the same run id again."""
        ...


@runtime_checkable
class WritesFlows(Protocol):
    """A session that can write a list of flows as JSON by itself, for engines whose store does that better than Python.

    Optional: callers of the other sessions' ``list_flows`` are answered from records.
    """

    def write_flows(self) -> str:
        """Return ``list_flows`` as a JSON array: of each flow what a caller sees, in the order and spelling of answers.

        Source: contract.md section 5 ("Flow view"); ``outcomes.views.build_flow_view`` is its model.
        """
        ...


class BoundTasks(Protocol):
    """What a worker reports about the tasks of one session (``EngineCapabilities.reports_tasks``).

    Each returns the task as it now is, ``None`` where the session has no such task. Reporting on a task that has
    already ended changes nothing and returns it as it is. Raises as ``BoundFlows`` does.
    """

    def list_tasks(self, flow_id: str) -> Sequence[TaskRecord]:
        """Return the tasks of one flow, newest created first; empty where the session has no such flow."""
        ...

    def get_task(self, task_id: str) -> TaskRecord | None:
        """Return one task of the session."""
        ...

    def start_task(self, task_id: str) -> TaskRecord | None:
        """Mark a queued task running."""
        ...

    def report_progress(self, task_id: str, *, summary: str) -> TaskRecord | None:
        """Note progress, white space collapsed; a queued task becomes running."""
        ...

    def end_task(
        self, task_id: str, *, status: TaskStatus, summary: str | None = None, error: str | None = None
    ) -> TaskRecord | None:
        """End a task with a terminal status; a flow that waited for its last child to be cancelled then is."""
        ...


class BoundHistory(Protocol):
    """What became of the flows of one session (``EngineCapabilities.keeps_history``)."""

    def list_revisions(self, flow_id: str) -> Sequence[FlowRevision]:
        """Return what is known of a flow's revisions, latest first; empty where the session has no such flow.

        The first is the flow as it is; of the earlier ones an engine may have forgotten the oldest.
        """
        ...


class BoundSession(BoundFlows, BoundTasks, BoundHistory, Protocol):
    """Everything an engine offers for one session."""


class Engine(Protocol):
    """A store of flows and tasks. One instance serves a process; it is safe to use from several threads."""

    @property
    def capabilities(self) -> EngineCapabilities:
        """What this engine can do beyond the thirteen actions."""
        ...

    def bind_session(self, session_key: str) -> BoundSession:
        """Return the flows of one session. Cheap: called for every request."""
        ...


@runtime_checkable
class PausesOnLoop(Protocol):
    """An engine that waits for sockets alone, and whose calls can pause on an event loop meanwhile (``pausing``).

    Optional. Calls with short results are then made there, and no thread waits for them.
    """

    @property
    def pauses_on_loop(self) -> bool:
        """Tell whether it can, as this machine is equipped."""
        ...


@runtime_checkable
class CommitsTogether(Protocol):
    """An engine that can make the changes of several calls durable at once, for stores where a commit is what costs.

    Optional. A call is answered only after that commit, as if it had been its own.
    """

    @property
    def commits_together(self) -> bool:
        """Tell whether it can, in the way it is set up."""
        ...

    def commit_together(self, calls: Sequence[Callable[[], None]]) -> bool:
        """Make calls that change flows, one after another in this thread; each keeps its own result or refusal.

        Returns:
            ``False`` where nothing was changed after all: results are void, and each call may be made by itself.
        """
        ...
