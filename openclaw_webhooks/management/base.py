"""What the app's commands share: they run whatever the system checks find, and tell causes instead of tracebacks."""

from __future__ import annotations

from typing import Any

from django.core.exceptions import ImproperlyConfigured
from django.core.management.base import BaseCommand, CommandError
from django.db import Error

from openclaw_webhooks.monitoring.health import DATABASE_CAUSE


class WebhooksCommand(BaseCommand):
    """A command for somebody who may be looking for what is wrong: a fault elsewhere must not keep it from running.

    Django would check the whole project first, and print its warnings above each table.
    """

    requires_system_checks = ()

    def execute(self, *args: Any, **options: Any) -> str | None:
        """Run the command; faulty settings and a database that does not answer end it with status 1 and their cause."""
        try:
            return super().execute(*args, **options)
        except ImproperlyConfigured as error:
            raise CommandError(f"{error}\n`manage.py check` lists everything.") from error
        except Error as error:
            raise CommandError(DATABASE_CAUSE.format(type(error).__name__)) from error
