"""The SQL of the embedded engine, built once from the models' own names.

Fixed text instead of the ORM, because building a query costs several times what running it does (docs/engines.md has
the numbers). Written for SQLite and PostgreSQL alike, but for the one statement that locks a flow.

Every statement on a flow or task of a caller carries the session key: nothing is found first and checked afterwards.
"""

from __future__ import annotations

from functools import cache
from typing import Final

from openclaw_webhooks.engines.embedded.rows import FLOW_COLUMNS, REVISION_COLUMNS, TASK_COLUMNS
from openclaw_webhooks.engines.records import ACTIVE_TASK_STATUSES
from openclaw_webhooks.models import Flow, FlowRevision, Task


def _listed(names: tuple[str, ...], *, suffix: str = "") -> str:
    return ", ".join(name + suffix for name in names)


_NAMES: Final = {
    "flows": f'"{Flow._meta.db_table}"',
    "tasks": f'"{Task._meta.db_table}"',
    "revisions": f'"{FlowRevision._meta.db_table}"',
    "revision_columns": _listed(REVISION_COLUMNS),
    "flow_columns": _listed(FLOW_COLUMNS),
    "task_columns": _listed(TASK_COLUMNS),
    "flow_places": _listed(("%s",) * len(FLOW_COLUMNS)),
    "task_places": _listed(("%s",) * len(TASK_COLUMNS)),
    "task_assignments": _listed(TASK_COLUMNS, suffix=" = %s"),
    "active": ", ".join(f"'{status.value}'" for status in sorted(ACTIVE_TASK_STATUSES)),
}


def _sql(template: str, **more: str) -> str:
    return template.format(**_NAMES, **more)


INSERT_FLOW: Final = _sql(
    "INSERT INTO {flows} (session_key, actor, request_id, {flow_columns}) VALUES (%s, %s, %s, {flow_places})"
)
GET_FLOW: Final = _sql("SELECT {flow_columns} FROM {flows} WHERE flow_id = %s AND session_key = %s")
LIST_FLOWS: Final = _sql("SELECT {flow_columns} FROM {flows} WHERE session_key = %s ORDER BY created_at_ms DESC, id")
LATEST_FLOW: Final = _sql(
    "SELECT {flow_columns} FROM {flows} WHERE session_key = %s ORDER BY updated_at_ms DESC, id DESC LIMIT 1"
)
LIST_REVISIONS: Final = _sql(
    "SELECT {revision_columns} FROM {flows} WHERE flow_id = %s AND session_key = %s UNION ALL"
    " SELECT {revision_columns} FROM {revisions}"
    " WHERE parent_flow_id = (SELECT f.id FROM {flows} f WHERE f.flow_id = %s AND f.session_key = %s)"
    " ORDER BY revision DESC"
)
SUMMARY: Final = _sql(
    "SELECT t.status, t.runtime, COUNT(t.id) FROM {flows} f LEFT JOIN {tasks} t ON t.parent_flow_id = f.id"
    " WHERE f.flow_id = %s AND f.session_key = %s GROUP BY t.status, t.runtime"
)

INSERT_TASK: Final = _sql("INSERT INTO {tasks} (parent_flow_id, {task_columns}) VALUES (%s, {task_places})")
UPDATE_TASK: Final = _sql("UPDATE {tasks} SET {task_assignments} WHERE task_id = %s")
FIND_RUNS: Final = _sql(
    # The second condition repeats the partial index's own, or the planner may not use it.
    "SELECT {task_columns} FROM {tasks} WHERE parent_flow_id = %s AND run_key = %s AND NOT (run_key = '') ORDER BY id"
)
HAS_ACTIVE_TASK: Final = _sql("SELECT 1 FROM {tasks} WHERE parent_flow_id = %s AND status IN ({active}) LIMIT 1")
TASKS_OF_LOCKED_FLOW: Final = _sql(
    "SELECT {task_columns} FROM {tasks} WHERE parent_flow_id = %s ORDER BY created_at_ms DESC, id DESC"
)
LIST_TASKS: Final = _sql(
    "SELECT {task_columns} FROM {tasks}"
    " WHERE parent_flow_id = (SELECT f.id FROM {flows} f WHERE f.flow_id = %s AND f.session_key = %s)"
    " ORDER BY created_at_ms DESC, id DESC"
)
GET_TASK: Final = _sql(
    "SELECT {task_columns}, (SELECT f.flow_id FROM {flows} f WHERE f.id = parent_flow_id) FROM {tasks}"
    " WHERE task_id = %s"
    " AND EXISTS (SELECT 1 FROM {flows} f WHERE f.id = parent_flow_id AND f.session_key = %s)"
)
GET_TASK_OF_LOCKED_FLOW: Final = _sql("SELECT {task_columns} FROM {tasks} WHERE task_id = %s")

OF_FLOW: Final = "flow_id = %s AND session_key = %s"
OF_TASK: Final = _sql("id = (SELECT t.parent_flow_id FROM {tasks} t WHERE t.task_id = %s) AND session_key = %s")


@cache
def lock_flow(condition: str, *, vendor: str) -> str:
    """Return the statement that reads the key and columns of one flow and holds it until the transaction ends.

    On SQLite it writes the row as it is: that takes the write lock even where the project's transactions are deferred.
    """
    if vendor == "sqlite":
        template = "UPDATE {flows} SET revision = revision WHERE {condition} RETURNING id, {flow_columns}"
    else:
        template = "SELECT id, {flow_columns} FROM {flows} WHERE {condition} FOR UPDATE"
    return _sql(template, condition=condition)


@cache
def add_task(*, vendor: str) -> str:
    """Return the statement that adds a task to a flow of known revision that takes tasks.

    Its parameters: the task's values, then flow id, session key and revision. No row comes back where the flow is
    another by now. PostgreSQL holds the flow against changes until the task is there; SQLite has one writer anyway.
    """
    return _sql(
        "INSERT INTO {tasks} (parent_flow_id, {task_columns}) SELECT f.id, {task_places} FROM {flows} f"
        " WHERE f.flow_id = %s AND f.session_key = %s AND f.revision = %s{held} RETURNING id",
        held="" if vendor == "sqlite" else " FOR SHARE",
    )


@cache
def change_flow(columns: tuple[str, ...]) -> str:
    """Return the compare-and-swap that sets ``columns``.

    Its parameters: their values, then flow id, session key and expected revision. No row comes back where it did not
    apply.
    """
    return _sql(
        "UPDATE {flows} SET {assignments}, revision = revision + 1"
        " WHERE flow_id = %s AND session_key = %s AND revision = %s AND sync_mode = 'managed' RETURNING {flow_columns}",
        assignments=_listed(columns, suffix=" = %s"),
    )
