"""What must be there before the server starts: its address, configuration, tables and a first admin user.

Makes what is missing and never touches what is there. Says what is wrong by raising ``Unprepared``; prints nothing.
"""

from __future__ import annotations

import os
import secrets
import socket
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from django.contrib.auth.models import User
from django.core.checks import run_checks
from django.core.management import call_command
from django.db import DatabaseError, connection, connections
from django.db.migrations.executor import MigrationExecutor

from openclaw_webhooks import __version__
from openclaw_webhooks.checks import TAG, WARNING_IDS
from openclaw_webhooks.conf.configuration import Configuration, get_configuration
from openclaw_webhooks.conf.location import resolve_config_path
from openclaw_webhooks.conf.problems import ProblemKind
from openclaw_webhooks.conf.settings import get_settings
from project.addresses import Bind
from project.data_folder import CONFIGURATION_NAME, make_data_folder
from project.environment import ServerEnvironment
from project.report import ADMIN_USER, Start, build_report
from project.starter import write_starter

_PREPARATION_LOCK: Final = 0x6F636C77
"""Any number that nobody else uses: the letters ``oclw``."""


class Unprepared(Exception):
    """The server cannot start; the message has one line for each reason."""

    def __init__(self, reasons: Iterable[object]) -> None:
        """Keep the reasons as lines."""
        super().__init__("\n".join(str(reason) for reason in reasons))


def prepare(server: ServerEnvironment) -> str:
    """Make ready for gunicorn.

    Returns:
        The report for the operator, with the secrets that this very start made.

    Raises:
        Unprepared: The address is taken, or the configuration, the data folder or the database is at fault.
    """
    for bind in server.binds:
        refuse_busy_address(bind)
    place = resolve_config_path(get_settings(), os.environ)
    is_ours = not place.is_explicit and place.path == server.data_folder / CONFIGURATION_NAME
    starter_secret = _ensure_data(server.data_folder, starter_path=place.path if is_ours else None)
    configuration = _load_configuration()
    # A Gateway that hosts this server writes what it tells into its own log: no place for a password.
    admin_password = _prepare_database(makes_admin=server.host_token is None)
    return build_report(
        Start(
            version=__version__,
            bind=server.binds[0],
            configuration_path=place.path,
            routes=configuration.routes,
            disabled_routes=configuration.disabled_routes,
            warnings=_find_warnings(may_be_inline=is_ours),
            starter_secret=starter_secret,
            admin_password=admin_password,
        )
    )


def refuse_busy_address(bind: Bind) -> None:
    """Find out before anything is written or told; gunicorn would find out after the secrets have scrolled by.

    Raises:
        Unprepared: Nobody can listen there now.
    """
    if bind.unix_path:
        return
    family = socket.AF_INET6 if bind.host.startswith("[") else socket.AF_INET
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((bind.host.strip("[]"), bind.port))
        except OSError as error:
            reason = error.strerror or str(error)
            raise Unprepared([f"OPENCLAW_WEBHOOKS_BIND: cannot listen on {bind.gunicorn_value}: {reason}"]) from None


def _ensure_data(folder: Path, *, starter_path: Path | None) -> str | None:
    """Make the data folder, and in it the starter where it belongs; return its route's secret if it was written."""
    secret = secrets.token_urlsafe(32)
    try:
        make_data_folder(folder)
        return secret if starter_path and write_starter(starter_path, secret=secret) else None
    except OSError as error:
        raise Unprepared([f"OPENCLAW_WEBHOOKS_DATA_DIR: {error}"]) from None


def _load_configuration() -> Configuration:
    configuration = get_configuration()
    if configuration.problems:
        raise Unprepared(configuration.problems)
    return configuration


def _find_warnings(*, may_be_inline: bool) -> list[str]:
    """Run the app's checks, those that resolve secrets by running a program too; what they find stops no start.

    Args:
        may_be_inline: Whether to be silent about secrets in the file, as for the one this server wrote.
    """
    inline_id = WARNING_IDS[ProblemKind.INLINE_SECRET]
    messages = run_checks(tags=[TAG], include_deployment_checks=True)
    return [message.msg for message in messages if not (may_be_inline and message.id == inline_id)]


def _prepare_database(*, makes_admin: bool) -> str | None:
    """Make the tables and, where asked, the first user if they are missing; return that user's password."""
    try:
        _take_turns()
        _migrate()
        return _ensure_admin() if makes_admin else None
    except DatabaseError as error:
        # The first line says what failed; PostgreSQL's others advise. None holds the password.
        first_line = str(error).partition("\n")[0]
        raise Unprepared([f"DATABASE_URL: the database cannot be used: {first_line}"]) from None
    finally:
        connections.close_all()


def _take_turns() -> None:
    """Wait for other hosts that prepare the same database, as several pods that start at once; held until it is closed.

    Two that migrate an empty PostgreSQL at once collide, and one of them would not start.
    """
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_lock(%s)", [_PREPARATION_LOCK])


def _migrate() -> None:
    """Bring the database's tables up to date; a start that has nothing to do does not pay for the command."""
    executor = MigrationExecutor(connection)
    if executor.migration_plan(executor.loader.graph.leaf_nodes()):
        call_command("migrate", interactive=False, verbosity=0)


def _ensure_admin() -> str | None:
    """Make the admin's first user where there is no user at all, and return its password."""
    if User.objects.exists():
        return None
    password = secrets.token_urlsafe(12)
    User.objects.create_superuser(ADMIN_USER, password=password)
    return password
