"""How the embedded engine talks to its database: usable connections, and errors that say what is known.

Outside Django's request cycle no signal closes a dead connection, so every call looks first. No exception of a
database driver leaves here, and no text of one that could quote a row: the messages may be logged.
"""

from __future__ import annotations

import select
from collections.abc import Callable, Sequence
from functools import cache
from typing import TypeAlias, TypeVar

from django.db import connections, transaction
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.backends.utils import CursorWrapper
from django.db.utils import Error, InterfaceError, OperationalError

from openclaw_webhooks.engines.embedded.rows import Cell
from openclaw_webhooks.exceptions import EngineError, EngineUnavailable, OutcomeUnknown, PersistFailed

Row: TypeAlias = "tuple[Cell, ...]"
Result = TypeVar("Result")


class Database:
    """Statements on one of the project's databases. Safe to use from several threads: connections are per thread."""

    def __init__(self, using: str) -> None:
        """Keep the alias; nothing is opened."""
        self.using = using

    @property
    def vendor(self) -> str:
        """Return Django's name of the kind of database, such as ``sqlite`` or ``postgresql``."""
        return connections[self.using].vendor

    def fetch(self, sql: str, parameters: Sequence[Cell]) -> list[Row]:
        """Read rows with one statement, once more on a new connection where the old one was lost.

        Raises:
            EngineUnavailable: The database could not be asked.
        """
        connection = _refreshed(connections[self.using])
        try:
            return _run(connection, sql, parameters)
        except Error as error:
            if connection.in_atomic_block or not _is_lost(connection.connection):
                raise EngineUnavailable(_describe(error)) from None
        connection.close()
        try:
            return _run(connection, sql, parameters)
        except Error as error:
            raise EngineUnavailable(_describe(error)) from None

    def execute(self, sql: str, parameters: Sequence[Cell], *, flow_id: str | None = None) -> list[Row]:
        """Change rows with one statement that commits by itself, and return what it returns.

        Inside a transaction of the project it is a savepoint, so that a refusal leaves that transaction usable.

        Raises:
            PersistFailed: Nothing was changed.
            OutcomeUnknown: The connection was lost after the statement was sent.
        """
        connection = self._connected()
        if connection.in_atomic_block:
            return self.transact(lambda cursor: _rows(cursor, sql, parameters), flow_id=flow_id)
        raw = connection.connection
        try:
            return _run(connection, sql, parameters)
        except Error as error:
            raise _mutation_error(error, is_unknown=_is_lost(raw), flow_id=flow_id) from None

    def transact(self, work: Callable[[CursorWrapper], Result], *, flow_id: str | None = None) -> Result:
        """Run ``work`` in one short transaction, which must do nothing but talk to the cursor.

        Raises:
            PersistFailed: Nothing was changed.
            OutcomeUnknown: The connection was lost while committing.
        """
        connection = self._connected()
        # Django may have opened another connection by the time it lets go of a transaction whose own was lost.
        raw, is_outermost, is_committing = connection.connection, not connection.in_atomic_block, False
        try:
            with transaction.atomic(using=self.using):
                with connection.cursor() as cursor:
                    result = work(cursor)
                is_committing = is_outermost
        except Error as error:
            is_unknown = is_committing and _is_lost(raw)
            raise _mutation_error(error, is_unknown=is_unknown, flow_id=flow_id) from None
        return result

    def _connected(self) -> BaseDatabaseWrapper:
        connection = _refreshed(connections[self.using])
        try:
            connection.ensure_connection()
        except Error as error:
            raise PersistFailed(_describe(error)) from None
        return connection


def _refreshed(connection: BaseDatabaseWrapper) -> BaseDatabaseWrapper:
    """Close a connection that can serve no more, so that the next statement opens a new one.

    ``CONN_MAX_AGE = 0`` means "to the end of the request". Django's handler sees to that; a thread outside of it has
    no such end, and opening a connection for every statement would cost more than all else together.
    """
    if connection.connection is not None and not connection.in_atomic_block:
        if _has_hung_up(connection):
            connection.errors_occurred = True
        if connection.errors_occurred or connection.settings_dict["CONN_MAX_AGE"] != 0:
            connection.close_if_unusable_or_obsolete()
    return connection


def _has_hung_up(connection: BaseDatabaseWrapper) -> bool:
    """Tell whether an idle PostgreSQL connection has something to read: mostly the server's farewell. No round trip."""
    if connection.vendor != "postgresql":
        return False
    if connection.connection.closed:
        return True
    poll = select.poll()
    poll.register(connection.connection.fileno(), select.POLLIN)
    return bool(poll.poll(0))


def _is_lost(raw: object) -> bool:
    """Tell whether a driver's connection is gone. SQLite's has no such state: it lives with its file."""
    return raw is None or bool(getattr(raw, "closed", False))


def _run(connection: BaseDatabaseWrapper, sql: str, parameters: Sequence[Cell]) -> list[Row]:
    """Run one statement that commits by itself.

    On SQLite past Django's cursor where nobody watches that: its wrappers take 20 of the 32 microseconds that a read
    takes here. Whoever watches (``execute_wrapper``, ``assertNumQueries``, logged queries) still sees every statement.
    """
    if connection.vendor != "sqlite" or connection.execute_wrappers or connection.queries_logged:
        with connection.cursor() as cursor:
            return _rows(cursor, sql, parameters)
    with connection.wrap_database_errors:
        connection.ensure_connection()
        rows: list[Row] = connection.connection.execute(_question_marked(sql), parameters).fetchall()
        return rows


@cache
def _question_marked(sql: str) -> str:
    """Write places as SQLite does; the engine's statements have no other per cent sign."""
    return sql.replace("%s", "?")


def _rows(cursor: CursorWrapper, sql: str, parameters: Sequence[Cell]) -> list[Row]:
    """Execute and read to the end: SQLite commits a ``RETURNING`` statement only once its last row is read."""
    cursor.execute(sql, parameters)
    return cursor.fetchall() if cursor.description else []


def _mutation_error(error: Error, *, is_unknown: bool, flow_id: str | None) -> EngineError:
    if is_unknown:
        return OutcomeUnknown(_describe(error), flow_id=flow_id)
    return PersistFailed(_describe(error))


def _describe(error: Error) -> str:
    """Name a database error for the log: its first line where it speaks of the server, never where it quotes data."""
    code = getattr(error.__cause__, "sqlstate", None)
    name = f"{type(error).__name__} {code}" if code else type(error).__name__
    if isinstance(error, OperationalError | InterfaceError):
        return f"{name}: {str(error).partition(chr(10))[0]}"
    return name
