"""What becomes of a deployment that a CI job asked for: a task queue calls ``work_on``, a timer ``work_off``."""

from __future__ import annotations

from collections.abc import Callable

from openclaw_webhooks import taskflows
from openclaw_webhooks.taskflows import FlowRecord, FlowStatus, RevisionConflict, TaskRuntime, TaskStatus

Step = Callable[[str], None]


def bind() -> taskflows.TaskFlows:
    """Bind to the route's flows; their history will say that this worker changed them."""
    return taskflows.bind_route("ci", actor="worker deploys")


def work_off(steps: dict[str, Step]) -> int:
    """Do every deployment that waits, the oldest first, and return how many."""
    waiting = [flow for flow in bind().list_flows() if flow.status is FlowStatus.QUEUED]
    return sum(work_on(flow.flow_id, steps) for flow in reversed(waiting))


def work_on(flow_id: str, steps: dict[str, Step]) -> bool:
    """Do one deployment; tell whether it was this worker's to do."""
    flows = bind()
    flow = flows.get_flow(flow_id)
    if flow is None or flow.status is not FlowStatus.QUEUED:
        return False
    try:
        flow = flows.resume_flow(flow, status=FlowStatus.RUNNING, current_step="started")
    except RevisionConflict:
        return False  # another worker was faster, or somebody cancelled it
    for name, do in steps.items():
        if not _do_step(flows, flow, name, do):
            flows.fail_flow(flow, blocked_summary=f"{name} failed")
            return True
    flows.finish_flow(flow, state_json={"steps": list(steps)})
    return True


def _do_step(flows: taskflows.TaskFlows, flow: FlowRecord, name: str, do: Step) -> bool:
    """Do one step as a task of the flow; a step that was begun before a crash is found again by its run id."""
    task = flows.run_task(flow.flow_id, name, runtime=TaskRuntime.ACP, run_id=f"{flow.flow_id}:{name}")
    flows.start_task(task.task_id)
    try:
        do(flow.goal)
    except RuntimeError as error:
        flows.end_task(task.task_id, TaskStatus.FAILED, error=str(error))
        return False
    flows.end_task(task.task_id, TaskStatus.SUCCEEDED)
    return True
