"""Lists that stay quick under several filters at once, and the filters that they are made for.

Every indexed filter has an index that ends in the list's order, so one filter alone costs what it shows. Two of
them may meet in few rows or in none, and a database without statistics (SQLite) takes either index: half a million
rows are looked at to show three. So the list itself chooses the filter that fewest rows pass, and looks no further
than ``LOOKED_AT_MOST`` of those.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, ClassVar, Final

from django.contrib import admin
from django.contrib.admin.views.main import ORDER_VAR, ChangeList
from django.db.models import QuerySet
from django.db.models.functions import Coalesce
from django.http import HttpRequest

LOOKED_AT_MOST: Final = 5000
LISTED_AT_MOST: Final = 5000


class RowFilter(admin.SimpleListFilter):
    """Keeps rows."""

    def has_output(self) -> bool:
        """Be there also without values: a link from another page may ask for one that does not occur."""
        return True

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        """Keep what is asked for."""
        return self.keep(queryset)

    def keep(self, rows: QuerySet[Any]) -> QuerySet[Any]:
        """Keep what is asked for; all, where nothing is."""
        raise NotImplementedError


class SpanFilter(RowFilter):
    """Keeps the rows of a span of time, which every index ends in."""


class ValueFilter(RowFilter):
    """Keeps the rows that have one value in one column."""

    column: ClassVar[str]

    def keep(self, rows: QuerySet[Any]) -> QuerySet[Any]:
        """Keep the rows that have the value asked for."""
        value = self.value()
        return rows if value is None else rows.filter(**{self.column: value})


class IndexedFilter(ValueFilter):
    """One whose column has an index of its own."""

    def keep_unindexed(self, rows: QuerySet[Any]) -> QuerySet[Any]:
        """Keep the same, with the column written so that no index is known for it."""
        value, name = self.value(), f"of_{self.parameter_name}"
        return rows if value is None else rows.alias(**{name: Coalesce(self.column, None)}).filter(**{name: value})


class NarrowedList(ChangeList):
    """Keeps the order that the indexes have, also for an address that asks for another.

    Attributes:
        is_cut: Whether rows that would fit may lie beyond those that were looked at.
    """

    is_cut = False
    looked_at_most = LOOKED_AT_MOST

    def __init__(self, request: HttpRequest, *args: Any, **kwargs: Any) -> None:
        """Remember the request: a row's page leads back to this list as it is."""
        self.request = request
        super().__init__(request, *args, **kwargs)

    def get_ordering(self, request: HttpRequest, queryset: QuerySet[Any]) -> list[Any]:
        """Return the list's own order."""
        self.params.pop(ORDER_VAR, None)
        return list(super().get_ordering(request, queryset))

    def get_queryset(self, request: HttpRequest, exclude_parameters: Any = None) -> QuerySet[Any]:
        """Return what is listed."""
        return self._narrow(request, self.get_whole_queryset(request))

    def get_whole_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        """Return all that the filters and the search ask for, however far that is."""
        return super().get_queryset(request)

    def _narrow(self, request: HttpRequest, rows: QuerySet[Any]) -> QuerySet[Any]:
        chosen = [spec for spec in self.filter_specs if isinstance(spec, IndexedFilter) and spec.value() is not None]
        if len(chosen) < 2 or self.query:  # a search finds few rows by itself
            return rows
        parts = [(part.count(), number, part) for number, part in enumerate(self._fetch_parts(request, chosen))]
        found, number, rarest = min(parts)
        self.is_cut = found > self.looked_at_most
        rows = self._order(request, self.root_queryset).filter(pk__in=rarest.values("pk")[: self.looked_at_most])
        for spec in (*chosen[:number], *chosen[number + 1 :]):
            rows = spec.keep_unindexed(rows)
        # Looked for once, though what is found is counted, and then shown by the page.
        found_keys = list(rows.values_list("pk", flat=True)[: LISTED_AT_MOST + 1])
        return self._order(request, self.root_queryset).filter(pk__in=found_keys)

    def _fetch_parts(self, request: HttpRequest, chosen: Sequence[IndexedFilter]) -> Iterator[QuerySet[Any]]:
        """Yield for each filter the newest rows that it keeps, within the span of time that is asked for."""
        rows = self._order(request, self.root_queryset)
        for span in (spec for spec in self.filter_specs if isinstance(spec, SpanFilter)):
            rows = span.keep(rows)
        for spec in chosen:
            yield spec.keep(rows)[: self.looked_at_most + 1]

    def _order(self, request: HttpRequest, rows: QuerySet[Any]) -> QuerySet[Any]:
        return rows.order_by(*self.get_ordering(request, rows))
