"""What the templates of the pages need of ``admin.formatting``."""

from __future__ import annotations

from django import template

from openclaw_webhooks.admin.formatting import format_duration

register = template.Library()
register.filter("duration", format_duration)
