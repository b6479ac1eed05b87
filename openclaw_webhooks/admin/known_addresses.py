"""The list of addresses that accounts signed in from."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.http import HttpRequest

from openclaw_webhooks.admin.formatting import format_time
from openclaw_webhooks.admin.reading import ReadingAdmin
from openclaw_webhooks.models import KnownAddress


@admin.register(KnownAddress)
class KnownAddressAdmin(ReadingAdmin):
    """Known addresses, the latest first. One that is deleted is a stranger's again."""

    list_display = ("account", "address", "signed_in")
    search_fields = ("=account", "=address")
    search_help_text = "A whole account or a whole address."
    fieldsets = ((None, {"fields": ("account", "address", "signed_in")}),)
    readonly_fields = ("account", "address", "signed_in")

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Tell whether the user may make the server forget an address."""
        return request.user.has_perm("openclaw_webhooks.delete_knownaddress")

    @admin.display(description="signed in")
    def signed_in(self, known: KnownAddress) -> str:
        """Return when that was last."""
        return format_time(known.signed_in_at_ms)
