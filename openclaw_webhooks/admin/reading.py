"""What all pages share: they only show, and no page counts or sorts a table of a million rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Final

from django.contrib import admin
from django.contrib.admin.views.main import ChangeList
from django.core.paginator import Paginator
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils.functional import cached_property

from openclaw_webhooks.admin.narrowing import LISTED_AT_MOST, NarrowedList

if TYPE_CHECKING:  # generic for the type checker alone
    _Paginator = Paginator[Any]
    _ModelAdmin = admin.ModelAdmin[Any]
else:
    _Paginator, _ModelAdmin = Paginator, admin.ModelAdmin


class BoundedPaginator(_Paginator):
    """Counts no further than it lists. What lies beyond is found by filters and by search."""

    is_cut = False
    """Whether there are more; known once ``count`` was asked for."""

    @cached_property
    def count(self) -> int:
        """Return the number of rows, ``LISTED_AT_MOST`` at most."""
        rows: Any = self.object_list
        found = rows.order_by()[: LISTED_AT_MOST + 1].count() if isinstance(rows, QuerySet) else len(rows)
        self.is_cut = found > LISTED_AT_MOST
        return min(found, LISTED_AT_MOST)


SEE_CALLS: Final = "openclaw_webhooks.view_call"
SEE_FLOWS: Final = "openclaw_webhooks.view_flow"
SEE_TASKS: Final = "openclaw_webhooks.view_task"


class ReadingAdmin(_ModelAdmin):
    """A list and a detail page that need the permission to view, and offer nothing else."""

    actions = None
    paginator = BoundedPaginator
    show_full_result_count = False
    show_facets = admin.ShowFacets.NEVER
    list_per_page = 50
    list_max_show_all = 200
    sortable_by = ()
    change_list_template = "admin/openclaw_webhooks/change_list.html"

    class Media:
        """One style sheet, made of the admin's own colours."""

        css = {"all": ("openclaw_webhooks/admin.css",)}  # noqa: RUF012 - read by Django as declared

    left_out_when_empty: ClassVar[Mapping[str, str]] = {}
    """Fields of the detail page by the attribute without which they would say nothing."""

    leads_elsewhere: ClassVar[Mapping[str, tuple[str, str]]] = {}
    """Fields with links to pages that need another permission: it, and the field that stands in without; or none."""

    def get_list_display(self, request: HttpRequest) -> tuple[Any, ...]:
        """Link to no page that the user may not see."""
        return self._replace(request, super().get_list_display(request))

    def _replace(self, request: HttpRequest, names: Sequence[Any]) -> tuple[Any, ...]:
        kept = []
        for name in names:
            permission, stand_in = self.leads_elsewhere.get(name, ("", ""))
            kept.append(name if not permission or request.user.has_perm(permission) else stand_in)
        return tuple(name for name in kept if name)

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> list[tuple[Any, Any]]:
        """Leave out what would only say that there is nothing, and links to what the user may not see."""
        found = []
        for title, options in super().get_fieldsets(request, obj):
            names = self._replace(request, options["fields"])
            fields = tuple(name for name in names if self._says_something(obj, str(name)))
            if fields:
                found.append((title, {**options, "fields": fields}))
        return found

    def _says_something(self, row: Any, name: str) -> bool:
        attribute = self.left_out_when_empty.get(name)
        return row is None or attribute is None or bool(getattr(row, attribute))

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        """Show the list under the name of what it lists."""
        title = str(self.opts.verbose_name_plural)
        return super().changelist_view(request, {"title": f"{title[0].upper()}{title[1:]}", **(extra_context or {})})

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[ChangeList]:
        """Return the list that stays quick under several filters."""
        return NarrowedList

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Return no."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Return no."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Return no."""
        return False
