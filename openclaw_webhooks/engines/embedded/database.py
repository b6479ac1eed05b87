"""How the embedded engine talks to its database: usable connections, and errors that say what is known.

Outside Django's request cycle no signal closes a dead connection, so every call looks first. No exception of a
database driver leaves here, and no text of one that could quote a row: the messages may be logged.
"""

from __future__ import annotations

import select
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from functools import partial
from typing import Final, TypeAlias, TypeVar

from django.db import connections, transaction
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.backends.utils import CursorWrapper
from django.db.utils import Error, InterfaceError, OperationalError

from openclaw_webhooks.engines.embedded.rows import Cell
from openclaw_webhooks.engines.embedded.write_lock import patiently
from openclaw_webhooks.exceptions import EngineError, EngineUnavailable, OutcomeUnknown, PersistFailed
from openclaw_webhooks.fixed_sql import fetch_rows, run_fixed

Row: TypeAlias = "tuple[Cell, ...]"
Result = TypeVar("Result")

_PATIENCE_TOGETHER_SECONDS: Final = 1.0
"""For the lock of a commit of several changes: each of them then waits for itself, in as many threads as there are."""


class _GivenUp(Error):
    """The database ended a transaction by itself, as SQLite does where the disk is full."""


class _Local(threading.local):
    """What a thread is at: whether it gathers changes for one commit."""

    gathers = False


class Database:
    """Statements on one of the project's databases. Safe to use from several threads: connections are per thread."""

    def __init__(self, using: str) -> None:
        """Keep the alias; nothing is opened."""
        self.using = using
        self._local = _Local()

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
            return run_fixed(connection, sql, parameters)
        except Error as error:
            if connection.in_atomic_block or not _is_lost(connection.connection):
                raise EngineUnavailable(_describe(error)) from None
        connection.close()
        try:
            return run_fixed(connection, sql, parameters)
        except Error as error:
            raise EngineUnavailable(_describe(error)) from None

    def execute(self, sql: str, parameters: Sequence[Cell], *, flow_id: str | None = None) -> list[Row]:
        """Change rows with one statement that commits by itself, and return what it returns.

        Inside a transaction of the project it is a savepoint, so that a refusal leaves that transaction usable. Among
        changes that are committed together it needs none: a statement that SQLite refuses has done nothing.

        Raises:
            PersistFailed: Nothing was changed.
            OutcomeUnknown: The connection was lost after the statement was sent.
        """
        gathers = self._local.gathers
        connection = connections[self.using] if gathers else self._connected()
        if connection.in_atomic_block and not gathers:
            return self.transact(lambda cursor: fetch_rows(cursor, sql, parameters), flow_id=flow_id)
        raw, run = connection.connection, partial(run_fixed, connection, sql, parameters)
        try:
            return run() if gathers else patiently(connection, run)
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
            with self._begun(connection):
                with connection.cursor() as cursor:
                    result = work(cursor)
                is_committing = is_outermost
        except Error as error:
            is_unknown = is_committing and _is_lost(raw)
            raise _mutation_error(error, is_unknown=is_unknown, flow_id=flow_id) from None
        return result

    @property
    def commits_together(self) -> bool:
        """Tell whether ``commit_together`` can be used: on SQLite, where a transaction begins with the write lock.

        One that is deferred could read first and then be refused to write. On PostgreSQL a refused statement would end
        the whole transaction.
        """
        connection = connections[self.using]
        mode = str(connection.settings_dict["OPTIONS"].get("transaction_mode", "DEFERRED")).upper()
        return connection.vendor == "sqlite" and mode in ("IMMEDIATE", "EXCLUSIVE")

    def commit_together(self, calls: Sequence[Callable[[], None]]) -> bool:
        """Make calls whose changes become durable, and visible to others, in one commit.

        Returns:
            ``False`` where that failed: then nothing was changed, and each call may be made by itself. A call whose own
            change was refused does not make the others' fail.
        """
        try:
            connection = self._connected()
            with self._begun(connection, most_seconds=_PATIENCE_TOGETHER_SECONDS):
                self._local.gathers = True
                try:
                    for call in calls:
                        call()
                        # Outside of the transaction a further change would be committed at once, and later once more.
                        if connection.needs_rollback or not connection.connection.in_transaction:
                            raise _GivenUp
                finally:
                    self._local.gathers = False
        except (Error, PersistFailed):
            return False
        return True

    @contextmanager
    def _begun(self, connection: BaseDatabaseWrapper, *, most_seconds: float = float("inf")) -> Iterator[None]:
        """Hold a transaction, or within one a savepoint."""
        with ExitStack() as stack:
            begin = partial(stack.enter_context, transaction.atomic(using=self.using))
            if connection.in_atomic_block:
                begin()
            else:
                patiently(connection, begin, most_seconds=most_seconds)
            yield

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
    if connection.connection is not None and not connection.in_atomic_block and not _is_sound(connection):
        if _has_hung_up(connection):
            connection.errors_occurred = True
        if connection.errors_occurred or connection.settings_dict["CONN_MAX_AGE"] != 0:
            connection.close_if_unusable_or_obsolete()
    return connection


def _is_sound(connection: BaseDatabaseWrapper) -> bool:
    """Tell at a glance whether there is nothing about an SQLite connection that Django would close it for."""
    is_suspect = connection.errors_occurred or connection.close_at is not None or not connection.autocommit
    return connection.vendor == "sqlite" and not is_suspect


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
