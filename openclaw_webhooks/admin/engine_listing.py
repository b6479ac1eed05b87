"""What filters leave of flows that an engine handed over whole, page by page. Asks nobody."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlencode

from openclaw_webhooks.admin.flow_filters import AgeFilter
from openclaw_webhooks.engines.records import FlowRecord, FlowStatus

PER_PAGE: Final = 50
_KEPT: Final = ("status", "age", "session", "controller", "q")


@dataclass(frozen=True, slots=True)
class Choice:
    """One link of a filter."""

    label: str
    url: str
    is_chosen: bool


@dataclass(frozen=True, slots=True)
class Listing:
    """A page of the flows that are left, newest created first, and the ways to others."""

    page: Sequence[tuple[str, FlowRecord]]
    total: int
    filters: Sequence[tuple[str, Sequence[Choice]]]
    older_url: str
    newer_url: str
    is_narrowed: bool


def build_listing(flows: Sequence[tuple[str, FlowRecord]], asked: Mapping[str, str]) -> Listing:
    """Filter, sort and cut.

    Args:
        flows: Each with the session that owns it.
        asked: The query of the address; what it says wrong is left out.
    """
    chosen = {name: asked[name] for name in _KEPT if asked.get(name)}
    left = [pair for pair in flows if _fits(pair[1], chosen)]
    left.sort(key=lambda pair: pair[1].created_at_ms, reverse=True)
    number = int(text) if (text := asked.get("p", "")).isdecimal() else 0
    start = min(number, max(0, len(left) - 1) // PER_PAGE) * PER_PAGE
    number = start // PER_PAGE
    return Listing(
        page=left[start : start + PER_PAGE],
        total=len(left),
        filters=_build_filters(flows, chosen),
        older_url=_link(chosen, p=str(number + 1)) if start + PER_PAGE < len(left) else "",
        newer_url=_link(chosen, p=str(number - 1)) if number else "",
        is_narrowed=bool(chosen),
    )


def _fits(flow: FlowRecord, chosen: Mapping[str, str]) -> bool:
    return (
        chosen.get("status") in (None, flow.status)
        and chosen.get("controller") in (None, flow.controller_id)
        and _is_of_age(flow, chosen.get("age", ""))
    )


def _is_of_age(flow: FlowRecord, key: str) -> bool:
    if key not in AgeFilter.spans:
        return True
    since_ms = time.time() * 1000 - AgeFilter.spans[key][1]
    return flow.created_at_ms < since_ms if key.startswith("older") else flow.created_at_ms >= since_ms


def _build_filters(
    flows: Sequence[tuple[str, FlowRecord]], chosen: Mapping[str, str]
) -> list[tuple[str, Sequence[Choice]]]:
    controllers = sorted({flow.controller_id for _, flow in flows if flow.controller_id})[:30]
    offered = {
        "status": [(status.value, status.value) for status in FlowStatus],
        "age": [(key, label) for key, (label, _) in AgeFilter.spans.items()],
        "controller": [(controller, controller) for controller in controllers],
    }
    return [(name, _build_choices(name, values, chosen)) for name, values in offered.items()]


def _build_choices(name: str, values: Sequence[tuple[str, str]], chosen: Mapping[str, str]) -> list[Choice]:
    every = Choice("All", _link({key: value for key, value in chosen.items() if key != name}), name not in chosen)
    return [
        every,
        *(Choice(label, _link(chosen, **{name: value}), chosen.get(name) == value) for value, label in values),
    ]


def _link(chosen: Mapping[str, str], **changes: str) -> str:
    return f"?{urlencode({**chosen, **changes})}"
