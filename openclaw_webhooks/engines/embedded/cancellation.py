"""``cancel_flow``: record the request, have children stopped outside of any lock, and cancel once none is active.

Source: contract.md section 6.
"""

from __future__ import annotations

from functools import partial

from django.db.backends.utils import CursorWrapper

from openclaw_webhooks.engines.embedded import changes, statements
from openclaw_webhooks.engines.embedded.bound import LockedFlow
from openclaw_webhooks.engines.embedded.tasks import TaskActions
from openclaw_webhooks.engines.records import (
    ACTIVE_TASK_STATUSES,
    TERMINAL_FLOW_STATUSES,
    FlowStatus,
    TaskRecord,
    TaskStatus,
)
from openclaw_webhooks.engines.results import (
    Cancelled,
    CancelRefusal,
    CancelResult,
    NotCancelled,
)
from openclaw_webhooks.exceptions import PersistFailed

_STOPPED_BY_FLOW = "Stopped because its TaskFlow was cancelled."


class CancelAction(TaskActions):
    """The action that cancels a flow."""

    __slots__ = ()

    def cancel_flow(self, flow_id: str) -> CancelResult:
        """Cancel the flow, or record the request where children are still active.

        A crash between the two transactions leaves the request recorded; a repeat goes on from there.
        """
        first = self._cancel_if_idle(flow_id)
        if not isinstance(first, NotCancelled) or first.code is not CancelRefusal.PENDING:
            return first
        try:
            return self._cancel_after_children(flow_id, first)
        except PersistFailed:
            # The request itself is stored, which the bare exception would deny.
            reason = "The end of the child tasks could not be stored."
            return NotCancelled(CancelRefusal.PERSIST_FAILED, reason, first.flow, first.tasks)

    def _cancel_after_children(self, flow_id: str, pending: NotCancelled) -> CancelResult:
        stopped = [task for task in pending.tasks or () if self._is_stopped(task)]
        if not stopped:
            return pending
        for task in stopped:
            self.end_task(task.task_id, status=TaskStatus.CANCELLED, error=_STOPPED_BY_FLOW)
        result = self._cancel_if_idle(flow_id)
        if isinstance(result, NotCancelled) and result.flow and result.flow.status is FlowStatus.CANCELLED:
            return Cancelled(result.flow, result.tasks or ())
        return result

    def _is_stopped(self, task: TaskRecord) -> bool:
        is_active = task.status in ACTIVE_TASK_STATUSES
        return is_active and self._resources.cancellers.stop(task, session_key=self._session_key)

    def _cancel_if_idle(self, flow_id: str) -> CancelResult:
        work = partial(self._try_cancel, flow_id=flow_id)
        result, previous_status = self._resources.database.transact(work, flow_id=flow_id)
        if result.flow is not None:
            self._announce_flow(result.flow, previous_status)
        return result

    def _try_cancel(self, cursor: CursorWrapper, *, flow_id: str) -> tuple[CancelResult, FlowStatus | None]:
        """Cancel a flow without active children, and return its status before as well."""
        locked = self._lock(cursor, statements.OF_FLOW, flow_id)
        if locked is None:
            return NotCancelled(CancelRefusal.NOT_FOUND, "Flow not found."), None
        previous_status = locked.flow.status
        refusal = _refuse_cancel(locked) or _settle(locked, self._resources.clock())
        result = refusal or Cancelled(locked.flow, locked.list_tasks())
        return result, previous_status


def _refuse_cancel(locked: LockedFlow) -> NotCancelled | None:
    flow = locked.flow
    if flow.sync_mode != "managed":
        return NotCancelled(CancelRefusal.OTHER, "Flow is not managed.", flow, locked.list_tasks())
    if flow.status in TERMINAL_FLOW_STATUSES:
        reason = f"Flow is already {flow.status.value}."
        return NotCancelled(CancelRefusal.TERMINAL, reason, flow, locked.list_tasks())
    return None


def _settle(locked: LockedFlow, now_ms: int) -> NotCancelled | None:
    """Record the request if none is, then cancel, or say that children are still active."""
    if locked.flow.cancel_requested_at_ms is None:
        locked.change(changes.request_cancel(now_ms))
    if locked.has_active_task():
        reason = "One or more child tasks are still active."
        return NotCancelled(CancelRefusal.PENDING, reason, locked.flow, locked.list_tasks())
    locked.change(changes.cancel(now_ms))
    return None
