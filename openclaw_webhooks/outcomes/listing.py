"""The result of ``list_flows``, which is written as JSON without being built first where the engine's rows allow that.

Tells of a flow exactly what ``views.build_flow_view`` tells of its record; a test compares the two. Ten thousand flows
take 40 ms so, and 250 ms as views.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from json.encoder import encode_basestring as quote
from typing import Any

from openclaw_webhooks.engines.flow_rows import StoredFlows
from openclaw_webhooks.engines.records import FlowRecord
from openclaw_webhooks.outcomes.views import build_flow_view
from openclaw_webhooks.values import JsonValue


class ListedFlows(Mapping[str, JsonValue]):
    """``{"flows": […]}``; the views are made when somebody looks at them."""

    __slots__ = ("_flows",)

    def __init__(self, flows: Sequence[FlowRecord]) -> None:
        """Keep what the engine has found."""
        self._flows = flows

    def __getitem__(self, key: str) -> JsonValue:
        """Return the views for ``"flows"``."""
        if key != "flows":
            raise KeyError(key)
        return [build_flow_view(flow) for flow in self._flows]

    def __iter__(self) -> Iterator[str]:
        """Name the one key."""
        yield "flows"

    def __len__(self) -> int:
        """Count the one key."""
        return 1

    def write(self) -> str | None:
        """Return the JSON of it all, ``None`` where it takes views to tell it."""
        if not isinstance(self._flows, StoredFlows):
            return None
        return f'{{"flows":[{",".join([_write_flow(*row) for row in self._flows.rows])}]}}'


def _write_flow(
    flow_id: Any,
    sync_mode: Any,
    controller_id: Any,
    revision: Any,
    status: Any,
    notify_policy: Any,
    goal: Any,
    current_step: Any,
    blocked_task_id: Any,
    blocked_summary: Any,
    state_json: Any,
    wait_json: Any,
    cancel_requested_at_ms: Any,
    created_at_ms: Any,
    updated_at_ms: Any,
    ended_at_ms: Any,
) -> str:
    """Write the values of a ``FlowRow``, in its order. Spelt out: a call for each field would double its time."""
    text = f'{{"flowId":{quote(flow_id)},"syncMode":"{sync_mode}"'
    if controller_id:
        text += f',"controllerId":{quote(controller_id)}'
    if current_step:
        text += f',"currentStep":{quote(current_step)}'
    if blocked_task_id:
        text += f',"blockedTaskId":{quote(blocked_task_id)}'
    if blocked_summary:
        text += f',"blockedSummary":{quote(blocked_summary)}'
    text += f',"revision":{revision},"status":"{status}","notifyPolicy":"{notify_policy}","goal":{quote(goal)}'
    return text + _write_json_and_times(
        state_json, wait_json, cancel_requested_at_ms, created_at_ms, updated_at_ms, ended_at_ms
    )


def _write_json_and_times(
    state_json: Any,
    wait_json: Any,
    cancel_requested_at_ms: Any,
    created_at_ms: Any,
    updated_at_ms: Any,
    ended_at_ms: Any,
) -> str:
    text = f',"stateJson":{state_json}' if state_json else ""
    if wait_json:
        text += f',"waitJson":{wait_json}'
    if cancel_requested_at_ms is not None:
        text += f',"cancelRequestedAt":{cancel_requested_at_ms}'
    text += f',"createdAt":{created_at_ms},"updatedAt":{updated_at_ms}'
    if ended_at_ms is not None:
        text += f',"endedAt":{ended_at_ms}'
    return text + "}"
