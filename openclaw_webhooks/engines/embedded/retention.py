"""The only thing that deletes: finished flows past their time, with their tasks. Also ends what was half cancelled.

For maintenance over all sessions, never for callers. Works in small transactions, so that no writer waits long, and
can be killed between any two of them.

Source: contract.md section 6.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import TypeAlias

from django.db import transaction
from django.db.backends.utils import CursorWrapper
from django.db.models import Exists, OuterRef, QuerySet
from django.db.models.functions import Coalesce

from openclaw_webhooks.engines.embedded import changes, statements
from openclaw_webhooks.engines.embedded.bound import Bound, LockedFlow, Resources
from openclaw_webhooks.engines.records import ACTIVE_TASK_STATUSES, TERMINAL_FLOW_STATUSES, FlowStatus
from openclaw_webhooks.models import Flow, FlowRevision, Task


@dataclass(frozen=True, slots=True)
class Pruned:
    """How much was done, or would be done by a run that is not dry."""

    cancelled_flows: int
    deleted_flows: int
    deleted_tasks: int


NoteProgress: TypeAlias = Callable[[int], object]
"""Told how many flows more are done with."""


def prune_flows(
    resources: Resources, *, keep_ms: int, batch_size: int, is_dry: bool, note_progress: NoteProgress
) -> Pruned:
    """Cancel what only waits to be cancelled, then delete what ended more than ``keep_ms`` ago.

    A flow with an active child is left alone by both.

    Args:
        resources: Those of the engine whose flows these are.
        keep_ms: How long a finished flow is kept, in milliseconds.
        batch_size: How many flows one transaction deletes at most, at least 1.
        is_dry: Whether to count only.
        note_progress: Called after each transaction.
    """
    cancellable = _without_active_tasks(resources).filter(
        cancel_requested_at_ms__isnull=False, ended_at_ms__isnull=True, sync_mode="managed"
    )
    # The status is written so that SQLite does not take its index, which nearly all flows are in.
    expired = (
        _without_active_tasks(resources)
        .alias(of_status=Coalesce("status", None))
        .filter(ended_at_ms__lte=resources.clock() - keep_ms, of_status__in=sorted(TERMINAL_FLOW_STATUSES))
    )
    if is_dry:
        tasks = Task.objects.using(resources.database.using).filter(parent_flow__in=expired).count()
        return Pruned(cancellable.count(), expired.count(), tasks)
    cancelled = 0
    for flow_id, session_key in _page(cancellable, batch_size=batch_size):
        cancelled += _Canceller(resources, session_key).finish(flow_id)
        note_progress(1)
    deleted_flows, deleted_tasks = _delete(resources, expired, batch_size=batch_size, note_progress=note_progress)
    return Pruned(cancelled, deleted_flows, deleted_tasks)


def _without_active_tasks(resources: Resources) -> QuerySet[Flow]:
    active = Task.objects.filter(parent_flow=OuterRef("pk"), status__in=sorted(ACTIVE_TASK_STATUSES))
    return Flow.objects.using(resources.database.using).filter(~Exists(active)).order_by("pk")


def _page(flows: QuerySet[Flow], *, batch_size: int) -> Iterator[tuple[str, str]]:
    """Yield (flow id, session key), read in pages so that no cursor stays open while flows are changed."""
    last_key = 0
    while page := list(flows.filter(pk__gt=last_key).values_list("pk", "flow_id", "session_key")[:batch_size]):
        last_key = page[-1][0]
        yield from ((flow_id, session_key) for _, flow_id, session_key in page)


def _delete(
    resources: Resources, expired: QuerySet[Flow], *, batch_size: int, note_progress: NoteProgress
) -> tuple[int, int]:
    """Delete batch after batch; the rows of a batch are held first, so that none is reopened meanwhile."""
    using, flows, tasks = resources.database.using, 0, 0
    while True:
        with transaction.atomic(using=using):
            keys = list(expired.select_for_update().values_list("pk", flat=True)[:batch_size])
            deleted_tasks, _ = Task.objects.using(using).filter(parent_flow__in=keys).delete()
            FlowRevision.objects.using(using).filter(parent_flow__in=keys).delete()
            deleted_flows, _ = Flow.objects.using(using).filter(pk__in=keys).delete()
        if not keys:
            return flows, tasks
        flows, tasks = flows + deleted_flows, tasks + deleted_tasks
        note_progress(deleted_flows)


class _Canceller(Bound):
    """Ends the flows of one session whose cancellation nobody completed."""

    __slots__ = ()

    def finish(self, flow_id: str) -> bool:
        """Cancel the flow unless something has happened to it meanwhile; tell whether it did."""
        previous = self._resources.database.transact(partial(self._finish, flow_id=flow_id), flow_id=flow_id)
        if previous is None:
            return False
        locked, previous_status = previous
        self._announce_flow(locked.flow, previous_status)
        return True

    def _finish(self, cursor: CursorWrapper, *, flow_id: str) -> tuple[LockedFlow, FlowStatus] | None:
        locked = self._lock(cursor, statements.OF_FLOW, flow_id)
        if locked is None or locked.has_active_task():
            return None
        flow = locked.flow
        if flow.status in TERMINAL_FLOW_STATUSES or flow.cancel_requested_at_ms is None:
            return None
        locked.change(changes.cancel(max(self._resources.clock(), flow.updated_at_ms, flow.cancel_requested_at_ms)))
        return locked, flow.status
