"""The actions on flows that take one statement: reads, the creation, and the revision-checked changes.

Source: contract.md section 6.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import nullcontext

from openclaw_webhooks.call_context import get_call_context
from openclaw_webhooks.engines.announcements import is_flow_heard
from openclaw_webhooks.engines.embedded import changes, flow_list, statements
from openclaw_webhooks.engines.embedded.bound import Bound, signed
from openclaw_webhooks.engines.embedded.rows import build_flow, build_flow_row, build_revision, build_summary
from openclaw_webhooks.engines.records import (
    FlowRecord,
    FlowRevision,
    FlowStatus,
    NotifyPolicy,
    TaskSummary,
)
from openclaw_webhooks.engines.results import (
    Applied,
    CreateResult,
    FlowCreated,
    MutationRefusal,
    MutationResult,
    NotApplied,
)
from openclaw_webhooks.values import UNSET, JsonValue, Unset


class FlowActions(Bound):
    """Ten of the thirteen actions; each is one statement that commits by itself."""

    __slots__ = ()

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
        now_ms = self._resources.clock()
        flow = FlowRecord(
            flow_id=self._resources.new_id(),
            revision=0,
            status=status,
            notify_policy=notify_policy,
            goal=goal,
            created_at_ms=now_ms,
            updated_at_ms=now_ms,
            controller_id=controller_id,
            current_step=current_step or None,
            state_json=state_json,
            wait_json=wait_json,
        )
        context = get_call_context()
        row = (self._session_key, context.actor, context.request_id, *build_flow_row(flow))
        self._resources.database.execute(statements.INSERT_FLOW, row, flow_id=flow.flow_id)
        self._announce_flow(flow, None)
        return FlowCreated(flow)

    def get_flow(self, flow_id: str) -> FlowRecord | None:
        """Return one flow of the session."""
        rows = self._resources.database.fetch(statements.GET_FLOW, (flow_id, self._session_key))
        return build_flow(rows[0]) if rows else None

    def list_flows(self) -> Sequence[FlowRecord]:
        """Return all flows of the session, newest created first; within a millisecond the earlier inserted first."""
        rows = self._resources.database.fetch(statements.LIST_FLOWS, (self._session_key,))
        return [build_flow(row) for row in rows]

    def write_flows(self) -> str:
        """Return the list as the JSON array that answers hold (``engines.base.WritesFlows``)."""
        database = self._resources.database
        sql = flow_list.list_flows_as_json(vendor=database.vendor)
        # Two at once in one process fight for the lock of SQLite's allocator: 120 ms of CPU each instead of 42.
        with self._resources.long_reads if database.vendor == "sqlite" else nullcontext():
            rows = database.fetch(sql, (self._session_key,))
        return f"[{rows[0][0] or ''}]"

    def find_latest_flow(self) -> FlowRecord | None:
        """Return the most recently updated flow of the session; ties go to the later inserted."""
        rows = self._resources.database.fetch(statements.LATEST_FLOW, (self._session_key,))
        return build_flow(rows[0]) if rows else None

    def resolve_flow(self, token: str) -> FlowRecord | None:
        """Return the flow with that id, or the latest one where the token is exactly the session key."""
        return self.find_latest_flow() if token == self._session_key else self.get_flow(token)

    def get_task_summary(self, flow_id: str) -> TaskSummary | None:
        """Count the tasks of one flow; ``None`` where the session has no such flow."""
        rows = self._resources.database.fetch(statements.SUMMARY, (flow_id, self._session_key))
        return build_summary(rows) if rows else None

    def list_revisions(self, flow_id: str) -> Sequence[FlowRevision]:
        """Return the flow's revisions, latest first: at most the hundred before the one it is at."""
        parameters = (flow_id, self._session_key) * 2
        return [build_revision(row) for row in self._resources.database.fetch(statements.LIST_REVISIONS, parameters)]

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
        change = changes.wait(
            self._resources.clock(),
            current_step=current_step,
            state_json=state_json,
            wait_json=wait_json,
            blocked_task_id=blocked_task_id,
            blocked_summary=blocked_summary,
        )
        return self._apply(flow_id, expected_revision, change)

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
        now_ms = self._resources.clock()
        change = changes.resume(now_ms, status=status, current_step=current_step, state_json=state_json)
        return self._apply(flow_id, expected_revision, change)

    def finish_flow(
        self, flow_id: str, *, expected_revision: int, state_json: JsonValue | Unset = UNSET
    ) -> MutationResult:
        """Mark the flow succeeded."""
        return self._apply(flow_id, expected_revision, changes.finish(self._resources.clock(), state_json=state_json))

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
        change = changes.fail(
            self._resources.clock(),
            state_json=state_json,
            blocked_task_id=blocked_task_id,
            blocked_summary=blocked_summary,
        )
        return self._apply(flow_id, expected_revision, change)

    def request_cancel(self, flow_id: str, *, expected_revision: int) -> MutationResult:
        """Record that cancellation is wanted; the status stays."""
        return self._apply(flow_id, expected_revision, changes.request_cancel(self._resources.clock()))

    def _apply(self, flow_id: str, expected_revision: int, change: changes.Change) -> MutationResult:
        """Compare and swap. A status only changes with the revision, so one read before tells what it was."""
        before = self._look(flow_id) if is_flow_heard() else None
        change = signed(change)
        parameters = (*change.values(), flow_id, self._session_key, expected_revision)
        rows = self._resources.database.execute(statements.change_flow(tuple(change)), parameters, flow_id=flow_id)
        if not rows:
            return self._explain(flow_id, expected_revision, change)
        flow = build_flow(rows[0])
        if before is not None:
            self._announce_flow(flow, before.status)
        return Applied(flow)

    def _explain(self, flow_id: str, expected_revision: int, change: changes.Change) -> MutationResult:
        """Say why a change did not apply. A flow that has only now reached the revision is tried again."""
        current = self._look(flow_id)
        if current is None:
            return NotApplied(MutationRefusal.NOT_FOUND)
        if current.sync_mode != "managed":
            return NotApplied(MutationRefusal.NOT_MANAGED, current)
        if current.revision == expected_revision:
            return self._apply(flow_id, expected_revision, change)
        return NotApplied(MutationRefusal.REVISION_CONFLICT, current)
