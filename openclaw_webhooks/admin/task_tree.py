"""A flow's tasks as a tree."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from django.utils.safestring import SafeString

from openclaw_webhooks.admin.engine_rows import format_status
from openclaw_webhooks.engines.records import TaskRecord
from openclaw_webhooks.models import Task


@dataclass(slots=True)
class TaskNode:
    """A task and those that name it as their parent."""

    task: Task | TaskRecord
    badge: SafeString
    children: list[TaskNode] = field(default_factory=list)


def build_tree(tasks: Sequence[Task | TaskRecord]) -> list[TaskNode]:
    """Arrange tasks under their parents, in the order given.

    A parent may be missing, or be named in a circle by a caller: such tasks stand at the top.
    """
    nodes = {task.task_id: TaskNode(task, format_status(task.status)) for task in tasks}
    parents = {key: parent for key, node in nodes.items() if (parent := node.task.parent_task_id) in nodes}
    top = []
    for key, node in nodes.items():
        if _leads_to_itself(key, parents):
            top.append(node)
        else:
            nodes[parents[key]].children.append(node)
    return top


def _leads_to_itself(key: str, parents: dict[str, str]) -> bool:
    """Tell whether a task has no parent here, or lies on a circle of parents."""
    seen, current = {key}, parents.get(key)
    while current is not None and current not in seen:
        seen.add(current)
        current = parents.get(current)
    return key not in parents or current == key
