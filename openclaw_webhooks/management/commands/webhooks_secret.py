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
from openclaw_webhooks.management.routes import build_resolver, find_route
from openclaw_webhooks.secrets.providers import FileProvider
from openclaw_webhooks.secrets.refs import SINGLE_VALUE_ID, SecretRef, parse_pointer
from openclaw_webhooks.secrets.remedies import remedy_of

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
            _store(Path(provider.path), _find_place(provider, ref), made, force=options["force"])
            status = build_resolver().status(ref)
            if not status.resolves:
                raise CommandError(f"Stored in {provider.path}, and yet: {status.reason}. {remedy_of(ref)}")
            self.stdout.write(f"Stored in {provider.path}; it holds from now on. For the caller:\n\n  {made}\n")
        else:
            raise CommandError(f"{ref} is not kept in a file: make the secret where its provider keeps it.")


def _find_place(provider: FileProvider, ref: SecretRef) -> tuple[str, ...] | None:
    """Return the way to the secret in a JSON file, ``None`` where the file is the secret.

    Raises:
        CommandError: The reference could not be resolved whatever the file holds.
    """
    if provider.mode == "singleValue":
        if ref.id != SINGLE_VALUE_ID:
            raise CommandError(f'{ref} can never resolve: the id of a singleValue file is "{SINGLE_VALUE_ID}".')
        return None
    place = parse_pointer(ref.id)
    if place is None:
        raise CommandError(f"{ref} can never resolve: its id must be a JSON pointer, such as /routes/ci.")
    return place


def _store(path: Path, place: tuple[str, ...] | None, made: str, *, force: bool) -> None:
    """Write the file in one step, for its owner alone.

    Raises:
        CommandError: A secret is there already, or the file cannot be read or written.
    """
    if path.is_symlink():
        raise CommandError(f"{path} is a symbolic link, which this command does not replace: name the file itself.")
    try:
        text = path.read_text(encoding="utf-8") if path.exists() else ""
        content = f"{made}\n" if place is None else _set(text, place, made, force=force)
        if place is None and text.strip() and not force:
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


def _set(text: str, place: tuple[str, ...], made: str, *, force: bool) -> str:
    """Return the JSON document with the text at a place; objects on the way are made."""
    try:
        document = json.loads(text) if text.strip() else {}
    except ValueError:
        raise CommandError("The file is no JSON.") from None
    holder: Any = document
    *way, last = place
    for part in way:
        holder = holder.setdefault(part, {}) if isinstance(holder, dict) else None
    if not isinstance(holder, dict):
        raise CommandError(f"Something that is no object is on the way to /{'/'.join(place)}.")
    if holder.get(last) not in (None, "") and not force:
        raise CommandError(f"A secret is at /{'/'.join(place)}; --force replaces it.")
    holder[last] = made
    return json.dumps(document, indent=2) + "\n"
