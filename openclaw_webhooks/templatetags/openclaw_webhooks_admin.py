"""What the templates of the pages need of ``admin.formatting`` and ``admin.results``."""

from __future__ import annotations

from typing import Any

from django import template

from openclaw_webhooks.admin.formatting import format_duration
from openclaw_webhooks.admin.narrowing import NarrowedList
from openclaw_webhooks.admin.results import list_columns, render_rows

register = template.Library()
register.filter("duration", format_duration)


@register.inclusion_tag("admin/openclaw_webhooks/rows.html")
def rows_of(listed: NarrowedList) -> dict[str, Any]:
    """Show the rows of a list."""
    columns = list_columns(listed)
    return {"columns": columns, "rows": render_rows(listed, columns)}
