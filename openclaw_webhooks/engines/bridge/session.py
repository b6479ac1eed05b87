"""The flows of one session over the bridge: each method is one call of a Gateway's TaskFlow API.

Source: specification.txt ("TaskFlow access always goes through ..."), contract.md section 7.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NoReturn, TypeVar

from openclaw_webhooks.engines.bridge.client import BridgeClient
from openclaw_webhooks.engines.bridge.decoding import (
    Undecodable,
    decode_flow_or_none,
    decode_flows,
    decode_summary_or_none,
)
from openclaw_webhooks.engines.bridge.mapping import map_cancel, map_mutation, map_run_task
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
from openclaw_webhooks.engines.results import CancelResult, CreateResult, FlowCreated, MutationResult, RunTaskResult
from openclaw_webhooks.exceptions import EngineRefused, EngineUnavailable, OutcomeUnknown, PersistFailed
from openclaw_webhooks.values import UNSET, JsonValue, Unset

T = TypeVar("T")


class BridgeSession:
    """The flows of one session of a Gateway. See ``engines.base.BoundFlows`` for what each method means."""

    def __init__(self, client: BridgeClient, session_key: str) -> None:
        """Act for one session; the Gateway refuses one that no configured route is bound to."""
        self._client = client
        self._session_key = session_key

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
        """Create a flow. The Gateway answers nothing where it could not store one."""
        params = _given(
            controllerId=controller_id,
            goal=goal,
            status=status,
            notifyPolicy=notify_policy,
            currentStep=_unless_none(current_step),
            stateJson=state_json,
            waitJson=wait_json,
        )
        flow = self._change("createManaged", params, decode_flow_or_none)
        if flow is None:
            raise PersistFailed("the Gateway could not store the flow")
        return FlowCreated(flow)

    def get_flow(self, flow_id: str) -> FlowRecord | None:
        """Return one flow of the session."""
        return self._read("get", {"flowId": flow_id}, decode_flow_or_none)

    def list_flows(self) -> Sequence[FlowRecord]:
        """Return all flows of the session."""
        return self._read("list", {}, decode_flows)

    def find_latest_flow(self) -> FlowRecord | None:
        """Return the flow that was updated last; the plugin looks it up by that."""
        return self._read("findLatest", {}, decode_flow_or_none)

    def resolve_flow(self, token: str) -> FlowRecord | None:
        """Return the flow with that id, or the latest one where the token is the session key."""
        return self._read("resolve", {"token": token}, decode_flow_or_none)

    def get_task_summary(self, flow_id: str) -> TaskSummary | None:
        """Count the tasks of one flow."""
        return self._read("getTaskSummary", {"flowId": flow_id}, decode_summary_or_none)

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
        """Mark the flow waiting or blocked."""
        params = _given(
            flowId=flow_id,
            expectedRevision=expected_revision,
            currentStep=current_step,
            stateJson=state_json,
            waitJson=wait_json,
            blockedTaskId=blocked_task_id,
            blockedSummary=blocked_summary,
        )
        return self._change("setWaiting", params, map_mutation)

    def resume_flow(
        self,
        flow_id: str,
        *,
        expected_revision: int,
        status: FlowStatus = FlowStatus.QUEUED,
        current_step: str | Unset | None = UNSET,
        state_json: JsonValue | Unset = UNSET,
    ) -> MutationResult:
        """Set the flow queued or running again."""
        params = _given(
            flowId=flow_id,
            expectedRevision=expected_revision,
            status=status,
            currentStep=current_step,
            stateJson=state_json,
        )
        return self._change("resume", params, map_mutation)

    def finish_flow(
        self, flow_id: str, *, expected_revision: int, state_json: JsonValue | Unset = UNSET
    ) -> MutationResult:
        """Mark the flow succeeded."""
        params = _given(flowId=flow_id, expectedRevision=expected_revision, stateJson=state_json)
        return self._change("finish", params, map_mutation)

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
        params = _given(
            flowId=flow_id,
            expectedRevision=expected_revision,
            stateJson=state_json,
            blockedTaskId=blocked_task_id,
            blockedSummary=blocked_summary,
        )
        return self._change("fail", params, map_mutation)

    def request_cancel(self, flow_id: str, *, expected_revision: int) -> MutationResult:
        """Record that cancellation is wanted."""
        return self._change("requestCancel", _given(flowId=flow_id, expectedRevision=expected_revision), map_mutation)

    def cancel_flow(self, flow_id: str) -> CancelResult:
        """Cancel the flow, or record the request."""
        return self._change("cancel", {"flowId": flow_id}, map_cancel)

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
        optional = {
            "sourceId": source_id,
            "childSessionKey": child_session_key,
            "parentTaskId": parent_task_id,
            "agentId": agent_id,
            "runId": run_id,
            "label": label,
            "preferMetadata": prefer_metadata or None,
            "notifyPolicy": notify_policy,
            "startedAt": started_at_ms,
            "lastEventAt": last_event_at_ms,
            "progressSummary": progress_summary,
        }
        given = {name: value for name, value in optional.items() if value is not None}
        params = {"flowId": flow_id, "runtime": runtime, "task": task, "status": status, **given}
        return self._change("runTask", params, map_run_task)

    def list_tasks(self, flow_id: str) -> Sequence[TaskRecord]:
        """Refuse: the Gateway's API lists no tasks."""
        _refuse()

    def get_task(self, task_id: str) -> TaskRecord | None:
        """Refuse: the Gateway's API returns no single task."""
        _refuse()

    def start_task(self, task_id: str) -> TaskRecord | None:
        """Refuse: the Gateway's agents report their tasks themselves."""
        _refuse()

    def report_progress(self, task_id: str, *, summary: str) -> TaskRecord | None:
        """Refuse, as ``start_task`` does."""
        _refuse()

    def end_task(
        self, task_id: str, *, status: TaskStatus, summary: str | None = None, error: str | None = None
    ) -> TaskRecord | None:
        """Refuse, as ``start_task`` does."""
        _refuse()

    def list_revisions(self, flow_id: str) -> Sequence[FlowRevision]:
        """Refuse: the Gateway keeps a flow as it is and no earlier revision."""
        raise EngineRefused("The Gateway keeps no earlier revisions (capability keeps_history).")

    def _read(self, method: str, params: Mapping[str, object], decode: Callable[[Any], T]) -> T:
        value = self._client.call(self._session_key, method, params)
        try:
            return decode(value)
        except Undecodable as error:
            raise EngineUnavailable(f"the Gateway answered {method} with something else: {error}") from error

    def _change(self, method: str, params: Mapping[str, object], decode: Callable[[Any], T]) -> T:
        value = self._client.call(self._session_key, method, params)
        try:
            return decode(value if value is None or isinstance(value, dict) else {})
        except (Undecodable, AttributeError) as error:
            flow_id = params.get("flowId")
            raise OutcomeUnknown(
                f"the Gateway answered {method} with something else: {error}",
                flow_id=flow_id if isinstance(flow_id, str) else None,
            ) from error


def _refuse() -> NoReturn:
    raise EngineRefused("The Gateway's TaskFlow API does not report on single tasks (capability reports_tasks).")


def _given(**params: object) -> dict[str, object]:
    """Leave out what was not given; null is given."""
    return {name: value for name, value in params.items() if value is not UNSET}


def _unless_none(text: str | None) -> str | Unset:
    return UNSET if text is None else text
