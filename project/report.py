"""What the server tells its operator at start: the routes, a line to try, the admin. Pure: values in, text out."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, TypeGuard, assert_never

from openclaw_webhooks.conf.routes import RouteConfig
from openclaw_webhooks.secrets.refs import InlineSecret, Secret, SecretRef
from project.addresses import Bind

ADMIN_USER: Final = "admin"
_EXAMPLE_BODY: Final = '{"action":"create_flow","goal":"Review inbound queue"}'
_PLACEHOLDER: Final = "YOUR_SECRET"


@dataclass(frozen=True, slots=True, kw_only=True)
class Start:
    """What one start has to tell.

    Attributes:
        configuration_path: The file that the routes are from.
        starter_secret: The secret of the starter route, only at the start that made it.
        admin_password: The password of the admin's first user, only at the start that made it.
    """

    version: str
    bind: Bind
    configuration_path: Path
    routes: Sequence[RouteConfig]
    disabled_routes: Sequence[RouteConfig] = ()
    warnings: Sequence[str] = ()
    starter_secret: str | None = field(default=None, repr=False)
    admin_password: str | None = field(default=None, repr=False)


def build_report(start: Start) -> str:
    """Write the report; it holds a secret only where this start made it."""
    listening = f"unix:{start.bind.unix_path}" if start.bind.unix_path else start.bind.base_url
    sections = [
        f"openclaw-webhooks {start.version} on {listening}",
        *([_bullets("Worth a look", start.warnings)] if start.warnings else []),
        _describe_routes(start),
        *([_describe_trial(start, start.routes[0])] if start.routes else []),
        _describe_admin(start),
    ]
    return "\n\n".join(sections) + "\n"


def _bullets(title: str, lines: Sequence[str]) -> str:
    return "\n".join([title, *(f"  {line}" for line in lines)])


def _describe_routes(start: Start) -> str:
    made = ", written just now and yours to edit" if start.starter_secret else ""
    if not start.routes and not start.disabled_routes:
        hint = "  none: add one under plugins.entries.webhooks.config.routes and start again"
        return f"Routes ({start.configuration_path})\n{hint}"
    lines = [f"Routes ({start.configuration_path}{made})"]
    for route in start.routes:
        lines.append(f"  {route.path}")
        lines.append(f"      route {route.route_id}, session {route.session_key}, controller {route.controller_id}")
        lines.append(f"      secret: {describe_secret(route.secret)}")
    lines += [f"  {route.path}  (disabled)" for route in start.disabled_routes]
    return "\n".join(lines)


def describe_secret(secret: Secret) -> str:
    """Say where a secret comes from, never what it is."""
    match secret:
        case InlineSecret():
            return "written in the configuration file"
        case SecretRef(source="env"):
            return f"environment variable {secret.id}"
        case SecretRef():
            return f"{secret.source} provider {secret.provider!r}, id {secret.id!r}"
        case _:
            assert_never(secret)


def _is_env(secret: Secret) -> TypeGuard[SecretRef]:
    return isinstance(secret, SecretRef) and secret.source == "env"


def _describe_trial(start: Start, route: RouteConfig) -> str:
    title = "Try it"
    if start.starter_secret is None and not _is_env(route.secret):
        title += f" ({_PLACEHOLDER}: {describe_secret(route.secret)})"
    return f"{title}\n  {build_curl(start.bind, route, starter_secret=start.starter_secret)}"


def build_curl(bind: Bind, route: RouteConfig, *, starter_secret: str | None) -> str:
    """Write one shell line that creates a flow.

    An env SecretRef is named for the shell to fill in; any other secret that this start did not make is a placeholder.
    """
    if starter_secret is not None:
        authorization = shlex.quote(f"Authorization: Bearer {starter_secret}")
    elif _is_env(route.secret):
        authorization = f'"Authorization: Bearer ${route.secret.id}"'
    else:
        authorization = shlex.quote(f"Authorization: Bearer {_PLACEHOLDER}")
    socket = f"--unix-socket {shlex.quote(str(bind.unix_path))} " if bind.unix_path else ""
    url = shlex.quote(bind.base_url + route.path)
    return (
        f"curl {socket}-X POST {url} -H 'Content-Type: application/json' -H {authorization} "
        f"-d {shlex.quote(_EXAMPLE_BODY)}"
    )


def _describe_admin(start: Start) -> str:
    lines = [f"Admin\n  {start.bind.base_url}/admin/"]
    if start.admin_password is not None:
        lines.append(f"  user {ADMIN_USER}, password {start.admin_password} (shown this once)")
    else:
        lines.append(f"  a forgotten password: .venv/bin/python manage.py changepassword {ADMIN_USER}")
    return "\n".join(lines)
