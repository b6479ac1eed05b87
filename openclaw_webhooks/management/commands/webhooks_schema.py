"""``manage.py webhooks_schema``: the OpenAPI document of the routes."""

from __future__ import annotations

import json
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from django.core.management.base import CommandError, CommandParser

from openclaw_webhooks.conf.configuration import get_configuration
from openclaw_webhooks.management.base import WebhooksCommand


class Command(WebhooksCommand):
    """Holds neither secrets nor session keys, so it can be handed to whoever writes a client."""

    help = "Write the OpenAPI 3.1 document of every route that serves, as JSON."

    def add_arguments(self, parser: CommandParser) -> None:
        """Declare where to."""
        parser.add_argument("--file", type=Path, help="write it here (default: standard output)")
        parser.add_argument("--route", action="append", help="only this route; can be given again")

    def handle(self, *_args: object, **options: Any) -> None:
        """Build and write."""
        if find_spec("drf_spectacular") is None:
            raise CommandError("The schema needs drf-spectacular: pip install openclaw-webhooks[openapi]")
        from openclaw_webhooks.openapi.document import build_document  # noqa: PLC0415 - needs the package

        routes = {route.route_id: route for route in get_configuration().routes}
        unknown = [name for name in options["route"] or () if name not in routes]
        if unknown:
            raise CommandError(f"There is no route {unknown[0]!r} that serves. There are: {', '.join(sorted(routes))}")
        text = json.dumps(build_document([routes[name] for name in options["route"] or routes]), indent=2) + "\n"
        if options["file"] is None:
            self.stdout.write(text, ending="")
            return
        try:
            options["file"].write_text(text, encoding="utf-8")
        except OSError as error:
            raise CommandError(f"{options['file']}: {error.strerror}") from error
