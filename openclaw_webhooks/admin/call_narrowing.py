"""How the list of calls finds the calls that several filters keep.

Every filter has an index that ends in the list's order, so one filter alone costs what it shows. Of several, the one
that fewest calls pass names the calls that are looked at, the newest ``LOOKED_AT_MOST``.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from django.db import connections
from django.db.models import QuerySet
from django.http import HttpRequest

from openclaw_webhooks.admin.narrowing import FoundRows, IndexedFilter, KnownRows, NarrowedList, SpanFilter
from openclaw_webhooks.models import Call

LOOKED_AT_MOST: Final = 2500
# SQLite finds time and key in the index of the other filter, and leaves the table alone: half the time. The plus sign
# keeps it from looking for the key instead. PostgreSQL has read the row already, to see whether it is still there.
_OF_INDEX: Final = (
    f"EXISTS (SELECT 1 FROM {Call._meta.db_table} o WHERE o.{{}} = %s AND o.at_ms = c.at_ms AND +o.id = c.id)"  # noqa: S608
)


class NarrowedCalls(NarrowedList):
    """Looks at the newest calls of the rarest filter, within the span of time that is asked for."""

    looked_at_most = LOOKED_AT_MOST

    def find(self, request: HttpRequest) -> KnownRows | None:
        """Look for the calls that several filters keep."""
        chosen = self.list_chosen()
        if len(chosen) < 2:
            return None
        rows = within = self.list_rows(request)
        for span in (spec for spec in self.filter_specs if isinstance(spec, SpanFilter)):
            within = span.keep(within)
        counted = [(self._count(spec.keep(within)), number) for number, spec in enumerate(chosen)]
        found, number = min(counted)
        self.is_cut = found > self.looked_at_most
        others = [*chosen[:number], *chosen[number + 1 :]]
        return FoundRows(rows, _intersect(chosen[number].keep(within)[: self.looked_at_most], others))

    def _count(self, rows: QuerySet[Any]) -> int:
        return rows.order_by()[: self.looked_at_most + 1].count()


def _intersect(calls: QuerySet[Any], others: Sequence[IndexedFilter]) -> list[int]:
    """Return the keys of those calls that all other filters keep, too."""
    connection = connections[calls.db]
    is_sqlite = connection.vendor == "sqlite"
    columns = [] if is_sqlite else [spec.column for spec in others]
    sql, parameters = calls.values("id", "at_ms", *columns).query.sql_with_params()
    kept = " AND ".join(_OF_INDEX.format(spec.column) if is_sqlite else f"c.{spec.column} = %s" for spec in others)
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT c.id FROM ({sql}) c WHERE {kept} ORDER BY c.at_ms DESC, c.id DESC",  # noqa: S608 - names of our own
            [*parameters, *(_prepare(spec) for spec in others)],
        )
        return [key for (key,) in cursor.fetchall()]


def _prepare(spec: IndexedFilter) -> Any:
    column: Any = Call._meta.get_field(spec.column)
    return getattr(column, "output_field", column).get_prep_value(spec.value())
