"""How Django finds the app."""

from __future__ import annotations

from django.apps import AppConfig


class OpenclawWebhooksConfig(AppConfig):
    """The app; its models use big integer keys whatever the project's default is."""

    name = "openclaw_webhooks"
    verbose_name = "OpenClaw webhooks"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        """Register the system checks: importing them does."""
        from openclaw_webhooks import checks, limit_checks  # noqa: F401, PLC0415 - they need the settings to be ready
