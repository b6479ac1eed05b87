"""What an operator does about a SecretRef that does not resolve: one sentence per source. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from openclaw_webhooks.secrets.refs import Secret, SecretRef

_REMEDIES: Final[Mapping[str, str]] = {
    "env": "Set the variable where the server is started, and restart it.",
    "file": "Look at the file: it must be there, be the server's own or root's, and closed to others (chmod 600).",
    "exec": "Run the provider's command by hand as the server's user, and see what it prints.",
}
_ELSEWHERE: Final = "Use a reference of source env, file or exec: docs/secrets.md shows the ways."


def describe_unresolved(secret: Secret, reason: str | None) -> str:
    """Return a sentence for whoever looks for why a route answers 401, and what to do."""
    return f"the route's secret {secret} does not resolve: {reason}. {remedy_of(secret)}"


def remedy_of(secret: Secret) -> str:
    """Return what to do, empty for a secret that is no reference."""
    return _REMEDIES.get(secret.source, _ELSEWHERE) if isinstance(secret, SecretRef) else ""
