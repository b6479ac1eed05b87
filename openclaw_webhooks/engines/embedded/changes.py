"""What each action changes on a flow: column values, pure. The compare-and-swap around them is the engine's.

None of them looks at the current status: a finished flow can be reopened at its current revision.

Source: contract.md section 6.
"""

from __future__ import annotations

from typing import Final, TypeAlias

from openclaw_webhooks.engines.embedded.rows import Cell, build_json_text
from openclaw_webhooks.engines.records import FlowStatus
from openclaw_webhooks.values import JsonValue, Unset

Change: TypeAlias = "dict[str, Cell]"

_NULL: Final = build_json_text(None)
_NOT_BLOCKED: Final[Change] = {"blocked_task_id": "", "blocked_summary": ""}


def wait(
    now_ms: int,
    *,
    current_step: str | Unset | None,
    state_json: JsonValue | Unset,
    wait_json: JsonValue | Unset,
    blocked_task_id: str | Unset | None,
    blocked_summary: str | Unset | None,
) -> Change:
    """Wait, or be blocked where a blocked field is given and not empty."""
    status = FlowStatus.BLOCKED if blocked_task_id or blocked_summary else FlowStatus.WAITING
    return {
        "status": status.value,
        "updated_at_ms": now_ms,
        "ended_at_ms": None,
        **_text(current_step=current_step, blocked_task_id=blocked_task_id, blocked_summary=blocked_summary),
        **_json(state_json=state_json, wait_json=wait_json),
    }


def resume(
    now_ms: int, *, status: FlowStatus, current_step: str | Unset | None, state_json: JsonValue | Unset
) -> Change:
    """Go on, and forget what was waited for."""
    return {
        "status": status.value,
        "updated_at_ms": now_ms,
        "ended_at_ms": None,
        "wait_json": _NULL,
        **_NOT_BLOCKED,
        **_text(current_step=current_step),
        **_json(state_json=state_json),
    }


def finish(now_ms: int, *, state_json: JsonValue | Unset) -> Change:
    """Succeed."""
    return {**_end(FlowStatus.SUCCEEDED, now_ms), **_NOT_BLOCKED, **_json(state_json=state_json)}


def fail(
    now_ms: int,
    *,
    state_json: JsonValue | Unset,
    blocked_task_id: str | Unset | None,
    blocked_summary: str | Unset | None,
) -> Change:
    """Fail; the blocked fields are as given, or stay."""
    return {
        **_end(FlowStatus.FAILED, now_ms),
        **_text(blocked_task_id=blocked_task_id, blocked_summary=blocked_summary),
        **_json(state_json=state_json),
    }


def request_cancel(now_ms: int) -> Change:
    """Note that cancellation is wanted, again on a repeat; the status stays."""
    return {"cancel_requested_at_ms": now_ms, "updated_at_ms": now_ms}


def cancel(ended_at_ms: int) -> Change:
    """Be cancelled at the given time."""
    return {**_end(FlowStatus.CANCELLED, ended_at_ms), **_NOT_BLOCKED}


def _end(status: FlowStatus, ended_at_ms: int) -> Change:
    return {"status": status.value, "updated_at_ms": ended_at_ms, "ended_at_ms": ended_at_ms, "wait_json": _NULL}


def _text(**fields: str | Unset | None) -> Change:
    """Leave out what was not given; null clears."""
    return {name: value or "" for name, value in fields.items() if not isinstance(value, Unset)}


def _json(**fields: JsonValue | Unset) -> Change:
    """Leave out what was not given; null is a value of its own."""
    return {name: build_json_text(value) for name, value in fields.items() if not isinstance(value, Unset)}
