"""``manage.py webhooks_secret ROUTE``: a new strong secret, written where the route's SecretRef points."""

from __future__ import annotations

import json
import os
import secrets
from pathlib import Path
from typing import Any, Final

from django.core.management.base import CommandError, CommandParser

from openclaw_webhooks.conf.configuration import get_configuration
from openclaw_webhooks.management.base import WebhooksCommand
from openclaw_webhooks.management.routes import find_route
from openclaw_webhooks.secrets.providers import FileProvider
from openclaw_webhooks.secrets.refs import SecretRef

_RANDOM_BYTES: Final = 32


class Command(WebhooksCommand):
    """Prints the new secret once, for the caller's side. What exists is never printed, nor replaced without --force."""

    help = "Make a new secret for a route and store it in the file that its SecretRef names."

    def add_arguments(self, parser: CommandParser) -> None:
        """Declare the route, and that its old secret may go."""
        parser.add_argument("route")
        parser.add_argument("--force", action="store_true", help="replace a secret that is there")

    def handle(self, *_args: object, **options: Any) -> None:
        """Make, store, print."""
        ref = find_route(options["route"]).secret
        made = secrets.token_urlsafe(_RANDOM_BYTES)
        if not isinstance(ref, SecretRef):
            raise CommandError(
                "The secret is written in the configuration itself, which this command leaves alone. "
                "Put a SecretRef there: docs/secrets.md shows the ways."
            )
        provider = get_configuration().secrets.find(ref.provider)
        if ref.source == "env":
            self.stdout.write(f"Set this where the server is started, and restart it:\n\n  {ref.id}={made}\n")
        elif isinstance(provider, FileProvider):
            _store(Path(provider.path), ref.id if provider.mode == "json" else None, made, force=options["force"])
            self.stdout.write(f"Stored in {provider.path}; it holds from now on. For the caller:\n\n  {made}\n")
        else:
            raise CommandError(f"{ref} is not kept in a file: make the secret where its provider keeps it.")


def _store(path: Path, pointer: str | None, made: str, *, force: bool) -> None:
    """Write the file in one step, for its owner alone.

    Raises:
        CommandError: A secret is there already, or the file cannot be read or written.
    """
    try:
        text = path.read_text(encoding="utf-8") if path.exists() else ""
        content = f"{made}\n" if pointer is None else _set(text, pointer, made, force=force)
        if pointer is None and text.strip() and not force:
            raise CommandError(f"{path} holds a secret; --force replaces it.")
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        scratch = path.with_name(f".{path.name}.{os.getpid()}.new")
        with open(os.open(scratch, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:  # noqa: PTH123
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        if path.exists():
            # The server may run as another user than whoever types this; it reads only files of its own or root's.
            os.chown(scratch, path.stat().st_uid, path.stat().st_gid)
        scratch.replace(path)
    except (OSError, UnicodeDecodeError) as error:
        raise CommandError(f"{path}: {getattr(error, 'strerror', None) or 'is not text'}") from error


def _set(text: str, pointer: str, made: str, *, force: bool) -> str:
    """Return the JSON document with the text at an RFC 6901 pointer; objects on the way are made."""
    try:
        document = json.loads(text) if text.strip() else {}
    except ValueError:
        raise CommandError("The file is no JSON.") from None
    place: Any = document
    *way, last = [part.replace("~1", "/").replace("~0", "~") for part in pointer.split("/")[1:]]
    for part in way:
        place = place.setdefault(part, {}) if isinstance(place, dict) else None
    if not isinstance(place, dict):
        raise CommandError(f"Something that is no object is on the way to {pointer}.")
    if place.get(last) not in (None, "") and not force:
        raise CommandError(f"A secret is at {pointer}; --force replaces it.")
    place[last] = made
    return json.dumps(document, indent=2) + "\n"
