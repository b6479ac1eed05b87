"""A flow's revisions for people: who changed what, from which call, and how its JSON differs."""

from __future__ import annotations

import difflib
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final, NamedTuple
from urllib.parse import urlencode

from django.template.loader import render_to_string
from django.urls import reverse
from django.utils.safestring import SafeString

from openclaw_webhooks.admin.engine_rows import format_status
from openclaw_webhooks.admin.formatting import format_time
from openclaw_webhooks.engines.records import FlowRevision
from openclaw_webhooks.values import UNSET

_SHOWN: Final = 50
_LONGEST_DIFFERENCE_LINES: Final = 200
_TEXTS: Final = {"current_step": "step", "blocked_task_id": "blocked by task", "blocked_summary": "blocked because"}
_DOCUMENTS: Final = {"state_json": "state", "wait_json": "waits for"}


class TextChange(NamedTuple):
    """One text that a change set, cleared or replaced."""

    name: str
    before: str
    after: str


class Line(NamedTuple):
    """One line of a difference; ``kind``: ``added``, ``removed`` or ``same``."""

    kind: str
    text: str


@dataclass(frozen=True, slots=True)
class Step:
    """One revision beside the one before it."""

    revision: FlowRevision
    badge: SafeString
    since: str
    calls_url: str
    texts: Sequence[TextChange]
    documents: Sequence[tuple[str, Sequence[Line]]]


def render_history(revisions: Sequence[FlowRevision], site_name: str | None = None) -> SafeString:
    """Return the table of a flow's revisions, latest first.

    Args:
        revisions: Latest first.
        site_name: Of the admin site whose list of calls the table links to; ``None`` for who may not see calls.
    """
    shown = revisions[: _SHOWN + 1]
    calls_url = reverse("admin:openclaw_webhooks_call_changelist", current_app=site_name) if site_name else ""
    older: list[FlowRevision | None] = [*shown[1:], None]
    steps = [_compare(now, before, calls_url) for now, before in zip(shown, older, strict=True)][:_SHOWN]
    context = {
        "steps": steps,
        "hidden": len(revisions) - len(steps),
        "is_first_known": shown and shown[-1].revision == 0,
    }
    return render_to_string("admin/openclaw_webhooks/flow/history.html", context)


def _compare(now: FlowRevision, before: FlowRevision | None, calls_url: str) -> Step:
    texts = [
        TextChange(label, getattr(before, name, None) or "", getattr(now, name) or "")
        for name, label in _TEXTS.items()
        if (getattr(before, name, None) or "") != (getattr(now, name) or "")
    ]
    if now.cancel_requested_at_ms and not (before and before.cancel_requested_at_ms):
        texts.append(TextChange("cancellation", "", "requested"))
    differences = (
        (label, list(_differ(getattr(before, name, UNSET), getattr(now, name)))) for name, label in _DOCUMENTS.items()
    )
    return Step(
        revision=now,
        badge=format_status(now.status.value),
        since=format_time(now.updated_at_ms),
        calls_url=f"{calls_url}?{urlencode({'q': now.request_id})}" if now.request_id and calls_url else "",
        texts=texts,
        documents=[(label, lines) for label, lines in differences if lines],
    )


def _differ(before: Any, now: Any) -> Iterator[Line]:
    """Yield the lines of JSON that a change added and removed, with a line of context; nothing where it is the same."""
    if before == now and type(before) is type(now):
        return
    lines = difflib.unified_diff(_lines_of(before), _lines_of(now), lineterm="", n=1)
    for number, line in enumerate(list(lines)[2:]):
        if number >= _LONGEST_DIFFERENCE_LINES:
            yield Line("same", "… more")
            return
        kind = {"+": "added", "-": "removed"}.get(line[0], "same")
        yield Line(kind, line if line.startswith("@@") is False else "…")


def _lines_of(value: Any) -> list[str]:
    if value is UNSET:
        return []
    text = json.dumps(value, indent=2, ensure_ascii=False)
    return text.encode("utf-8", "backslashreplace").decode().splitlines()
