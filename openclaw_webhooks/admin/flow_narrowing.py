"""How the list of flows finds the flows that its filters keep.

Its order is the key's, which no index of a filter ends in: each would cost every change of a flow. So what few flows
pass is read from the filter's index and sorted; what many pass is met soon on the way down from the newest.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from django.db.models import QuerySet
from django.http import HttpRequest

from openclaw_webhooks.admin.flow_filters import AgeFilter
from openclaw_webhooks.admin.narrowing import (
    LISTED_AT_MOST,
    CountedRows,
    FoundRows,
    IndexedFilter,
    KnownRows,
    NarrowedList,
)

SORTED_AT_MOST: Final = 2000


class FlowList(NarrowedList):
    """Reads few flows by an index, and meets many in the list's order."""

    sorted_at_most = SORTED_AT_MOST

    def find(self, request: HttpRequest) -> KnownRows | None:
        """Look for the flows that the filters keep."""
        chosen: list[IndexedFilter | AgeFilter] = [*self.list_chosen(), *self._list_ages()]
        if not chosen:
            return None
        rows = self.list_rows(request)
        parts = [spec.keep(rows).order_by() for spec in chosen]
        found, number = min((part[: LISTED_AT_MOST + 1].count(), number) for number, part in enumerate(parts))
        if found <= self.sorted_at_most:
            few = rows.filter(pk__in=list(parts[number].values_list("pk", flat=True)))
            return FoundRows(rows, _list_keys(_keep(few, [*chosen[:number], *chosen[number + 1 :]])))
        many = _keep(rows, chosen)
        return CountedRows(many, found) if len(chosen) == 1 else FoundRows(rows, _list_keys(many))

    def _list_ages(self) -> list[AgeFilter]:
        return [spec for spec in self.filter_specs if isinstance(spec, AgeFilter) and spec.is_asked]


def _keep(rows: QuerySet[Any], chosen: Sequence[IndexedFilter | AgeFilter]) -> QuerySet[Any]:
    for spec in chosen:
        rows = spec.keep_unindexed(rows)
    return rows


def _list_keys(rows: QuerySet[Any]) -> list[int]:
    return list(rows.values_list("pk", flat=True)[: LISTED_AT_MOST + 1])
