from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from pytest_django import DjangoDbBlocker

from tests.engines.databases import postgres_database, sqlite_database
from tests.postgres import PostgresServer, running_postgres


@pytest.fixture
def sqlite_alias(tmp_path: Path, django_db_blocker: DjangoDbBlocker) -> Iterator[str]:
    with django_db_blocker.unblock(), sqlite_database(tmp_path) as alias:
        yield alias


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[PostgresServer]:
    with running_postgres() as server:
        yield server


@pytest.fixture
def postgres_alias(postgres_server: PostgresServer, django_db_blocker: DjangoDbBlocker) -> Iterator[str]:
    with django_db_blocker.unblock(), postgres_database(postgres_server.url) as alias:
        yield alias
