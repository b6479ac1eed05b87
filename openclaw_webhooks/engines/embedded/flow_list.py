"""The list of a session's flows, written as JSON by the database.

The one place beside ``outcomes.views`` that knows how a flow looks in an answer; a contract test compares the two, byte
by byte. Why: ten thousand flows are 10,000 steps of SQLite's cursor, and each lets go of the interpreter's lock and
takes it back. With records and views that took 250 ms of CPU, read into tuples and written by Python 53 ms, and 228 ms
where two lists met in one process. Here it is one step, 45 ms without the lock: other callers are served meanwhile.
"""

from __future__ import annotations

from functools import cache
from typing import Final

from openclaw_webhooks.models import Flow

_QUOTE: Final = {"sqlite": "json_quote({column})", "postgresql": "to_json({column})::text"}
_JOIN: Final = {
    "sqlite": "group_concat(flow, ',')",
    "postgresql": "string_agg(flow, ',' ORDER BY created_at_ms DESC, id)",
}
_ALWAYS: Final = "'{comma}\"{key}\":' || {value}"
_UNLESS_EMPTY: Final = "CASE {column} WHEN '' THEN '' ELSE '{comma}\"{key}\":' || {value} END"
_UNLESS_NULL: Final = "COALESCE('{comma}\"{key}\":' || {value}, '')"

# Key, column, when it is there, and whether its text has to be quoted: JSON and numbers are what they are, and a status
# holds nothing that JSON would escape.
_VIEW: Final = (
    ("flowId", "flow_id", _ALWAYS, True),
    ("syncMode", "sync_mode", _ALWAYS, True),
    ("controllerId", "controller_id", _UNLESS_EMPTY, True),
    ("currentStep", "current_step", _UNLESS_EMPTY, True),
    ("blockedTaskId", "blocked_task_id", _UNLESS_EMPTY, True),
    ("blockedSummary", "blocked_summary", _UNLESS_EMPTY, True),
    ("revision", "revision", _ALWAYS, False),
    ("status", "status", _ALWAYS, True),
    ("notifyPolicy", "notify_policy", _ALWAYS, True),
    ("goal", "goal", _ALWAYS, True),
    ("stateJson", "state_json", _UNLESS_EMPTY, False),
    ("waitJson", "wait_json", _UNLESS_EMPTY, False),
    ("cancelRequestedAt", "cancel_requested_at_ms", _UNLESS_NULL, False),
    ("createdAt", "created_at_ms", _ALWAYS, False),
    ("updatedAt", "updated_at_ms", _ALWAYS, False),
    ("endedAt", "ended_at_ms", _UNLESS_NULL, False),
)


@cache
def list_flows_as_json(*, vendor: str) -> str:
    """Return the statement whose one cell is the flows of a session as JSON, comma between them, null for none.

    Its parameter is the session key. The order is that of ``statements.LIST_FLOWS``.
    """
    flow = " || ".join(_write_field(number, vendor) for number in range(len(_VIEW)))
    return (
        f"SELECT {_JOIN[vendor]} FROM (SELECT {flow} || '}}' AS flow, created_at_ms, id"  # noqa: S608 - fixed text
        f' FROM "{Flow._meta.db_table}" WHERE session_key = %s ORDER BY created_at_ms DESC, id) AS flows'
    )


def _write_field(number: int, vendor: str) -> str:
    key, column, when, is_text = _VIEW[number]
    value = _QUOTE[vendor].format(column=column) if is_text else column
    return when.format(comma="," if number else "{", key=key, column=column, value=value)
