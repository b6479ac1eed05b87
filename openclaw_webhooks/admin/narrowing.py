"""Lists that stay quick under filters, and the filters that they are made for.

Django's own list counts all rows that its filters keep, and then looks for the page once more. Two filters may meet
in few rows or in none, and a database without statistics (SQLite) takes the index of either: half a million rows are
looked at to show three. So a list here finds out once which rows it lists, each kind of list in its own way
(``call_narrowing``, ``flow_narrowing``), and a page of it fetches only what it shows.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Final, TypeAlias, cast

from django.contrib import admin
from django.contrib.admin.views.main import ORDER_VAR, ChangeList
from django.db import connections
from django.db.models import QuerySet
from django.db.models.functions import Coalesce
from django.http import HttpRequest

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
    """Keeps the rows of a span of time."""


class IndexedFilter(RowFilter):
    """Keeps the rows that have one value in one column, through an index."""

    column: ClassVar[str]

    def keep(self, rows: QuerySet[Any]) -> QuerySet[Any]:
        """Keep the rows that have the value asked for."""
        value = self.value()
        return rows if value is None else rows.filter(**{self.column: value})

    def keep_unindexed(self, rows: QuerySet[Any]) -> QuerySet[Any]:
        """Keep the same without the index, for what many rows pass or few are left of.

        SQLite takes any index that it can; PostgreSQL knows how many rows have a value, as long as it sees the column.
        """
        value, name = self.value(), f"of_{self.parameter_name}"
        if value is None or connections[rows.db].vendor != "sqlite":
            return self.keep(rows)
        unseen: QuerySet[Any] = rows.alias(**{name: Coalesce(self.column, None)}).filter(**{name: value})
        return unseen


@dataclass(frozen=True, slots=True)
class FoundRows:
    """Rows whose keys are known.

    Attributes:
        rows: What to fetch them from, in the list's order.
        keys: Theirs, in the same order.
    """

    rows: QuerySet[Any]
    keys: Sequence[int]
    ordered: bool = True

    def __len__(self) -> int:
        """Return how many keys there are."""
        return len(self.keys)

    def __getitem__(self, part: slice) -> QuerySet[Any]:
        """Return the rows of these keys."""
        return self.rows.filter(pk__in=self.keys[part])

    def _clone(self) -> QuerySet[Any]:
        return self[:]


@dataclass(frozen=True, slots=True)
class CountedRows:
    """Rows that were counted in another way than they are fetched.

    Attributes:
        rows: What to fetch them from, in the list's order.
        count: How many there are.
    """

    rows: QuerySet[Any]
    count: int
    ordered: bool = True

    def __len__(self) -> int:
        """Return how many were counted."""
        return self.count

    def __getitem__(self, part: slice) -> QuerySet[Any]:
        """Return these rows."""
        return self.rows[part]

    def _clone(self) -> QuerySet[Any]:
        return self.rows


KnownRows: TypeAlias = FoundRows | CountedRows
"""Rows of which it is known how many there are, so that a page of them costs what it shows.

What Django's list and its paginator ask of a queryset, they answer: their length, a slice, ``ordered``, ``_clone``.
"""


class NarrowedList(ChangeList):
    """Keeps the order that the indexes have, also for an address that asks for another.

    Attributes:
        looked_at_most: How many rows of the rarest filter are looked at, where ``is_cut``.
        is_cut: Whether rows that would fit may lie beyond those that were looked at.
    """

    looked_at_most: int
    is_cut = False

    def __init__(self, request: HttpRequest, *args: Any, **kwargs: Any) -> None:
        """Remember the request: a row's page leads back to this list as it is."""
        self.request = request
        super().__init__(request, *args, **kwargs)

    def get_ordering(self, request: HttpRequest, queryset: QuerySet[Any]) -> list[Any]:
        """Return the list's own order."""
        self.params.pop(ORDER_VAR, None)
        return list(super().get_ordering(request, queryset))

    def get_results(self, request: HttpRequest) -> None:
        """Fetch the page, out of what was found where the list looks for itself."""
        if not self.query:  # a search finds few rows by itself
            known = self.find(request)
            self.queryset = self.queryset if known is None else cast("QuerySet[Any]", known)
        super().get_results(request)

    def find(self, request: HttpRequest) -> KnownRows | None:
        """Look for the rows that are listed; ``None`` where Django's own way is as quick."""
        return None

    def list_chosen(self) -> list[IndexedFilter]:
        """Return the filters that something is asked of."""
        return [spec for spec in self.filter_specs if isinstance(spec, IndexedFilter) and spec.value() is not None]

    def list_rows(self, request: HttpRequest) -> QuerySet[Any]:
        """Return all rows in the list's order."""
        rows: QuerySet[Any] = self.root_queryset
        return rows.order_by(*self.get_ordering(request, rows))
