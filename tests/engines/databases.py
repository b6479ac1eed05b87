"""Databases of a test's own, beside the suite's: real ones, to be locked, filled up, stopped and restarted."""

from __future__ import annotations

import importlib
import itertools
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import dj_database_url
import psycopg
from django.db import connections

from openclaw_webhooks.engines.embedded import EmbeddedEngine
from openclaw_webhooks.engines.embedded.engine import EmbeddedSession
from openclaw_webhooks.models import Flow, FlowRevision, Task

HISTORY = importlib.import_module("openclaw_webhooks.migrations.0004_flow_history")

_numbers = itertools.count()


@contextmanager
def database(**settings: Any) -> Iterator[str]:
    """Make a database known under an alias of its own, with the engine's tables; forget it afterwards."""
    alias = f"own{next(_numbers)}"
    connections.databases[alias] = connections.configure_settings({"default": {}, alias: settings})[alias]
    try:
        with connections[alias].schema_editor() as editor:
            editor.create_model(Flow)
            editor.create_model(FlowRevision)
            editor.create_model(Task)
            HISTORY.create_trigger(None, editor)
        yield alias
    finally:
        connections[alias].close()
        del connections[alias], connections.databases[alias]


@contextmanager
def sqlite_database(folder: Path, **options: Any) -> Iterator[str]:
    init = "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL;"
    options = {"transaction_mode": "IMMEDIATE", "timeout": 0.05, "init_command": init, **options}
    with database(ENGINE="django.db.backends.sqlite3", NAME=str(folder / "db.sqlite3"), OPTIONS=options) as alias:
        yield alias


@contextmanager
def postgres_database(url: str, **settings: Any) -> Iterator[str]:
    """Use a schema of its own on a running server."""
    schema = f"s{os.getpid()}_{next(_numbers)}"
    parsed: dict[str, Any] = {**dj_database_url.parse(url), **settings}
    parsed["OPTIONS"] = {"options": f"-c search_path={schema}"}
    administer(url, f"CREATE SCHEMA {schema}")
    with database(**parsed) as alias:
        yield alias
    administer(url, f"DROP SCHEMA {schema} CASCADE")


def administer(url: str, statement: str) -> None:
    with psycopg.connect(url.replace("postgres://", "postgresql://"), autocommit=True) as admin:
        admin.execute(statement)


def session_of(alias: str, session_key: str = "agent:main:main", **options: Any) -> EmbeddedSession:
    return EmbeddedEngine(using=alias, **options).bind_session(session_key)


def sql(alias: str, statement: str, *parameters: Any) -> list[Any]:
    with connections[alias].cursor() as cursor:
        cursor.execute(statement, parameters)
        return cursor.fetchall() if cursor.description else []
