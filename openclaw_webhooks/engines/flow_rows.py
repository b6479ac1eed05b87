"""Flows as they are stored: flat, and with JSON as its text. What a long list is told from without taking it apart.

A session may list ten thousand flows. Parsing the JSON of each, making a record, a view and JSON again took 25 µs a
flow; a list that nobody but a caller reads needs none of that.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple, TypeAlias, overload

from openclaw_webhooks.engines.records import FlowRecord


class FlowRow(NamedTuple):
    """A flow. Text that is not set is empty, JSON is its text as answers spell it, times are Unix milliseconds."""

    flow_id: str
    sync_mode: str
    controller_id: str
    revision: int
    status: str
    notify_policy: str
    goal: str
    current_step: str
    blocked_task_id: str
    blocked_summary: str
    state_json: str
    wait_json: str
    cancel_requested_at_ms: int | None
    created_at_ms: int
    updated_at_ms: int
    ended_at_ms: int | None


PlainRow: TypeAlias = "FlowRow | tuple[object, ...]"
"""A ``FlowRow``, or the same values in the same order as a database hands them out."""


class StoredFlows(Sequence[FlowRecord]):
    """Flows of which each becomes a record when somebody looks at it.

    Attributes:
        rows: The flows, in the order of the list.
    """

    __slots__ = ("_build", "rows")

    def __init__(self, rows: Sequence[PlainRow], build: Callable[[PlainRow], FlowRecord]) -> None:
        """Keep the rows; ``build`` makes the record of one."""
        self.rows = rows
        self._build = build

    def __len__(self) -> int:
        """Return how many flows there are."""
        return len(self.rows)

    @overload
    def __getitem__(self, index: int) -> FlowRecord: ...
    @overload
    def __getitem__(self, index: slice) -> list[FlowRecord]: ...
    def __getitem__(self, index: int | slice) -> FlowRecord | list[FlowRecord]:
        """Return one flow, or some as a list."""
        if isinstance(index, slice):
            return [self._build(row) for row in self.rows[index]]
        return self._build(self.rows[index])

    def __eq__(self, other: object) -> bool:
        """Be equal to any sequence of the same flows."""
        return isinstance(other, Sequence) and list(self) == list(other)

    __hash__ = None  # type: ignore[assignment]
