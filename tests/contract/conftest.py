from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import ExitStack

import pytest
from pytest_django import DjangoDbBlocker

from openclaw_webhooks.engines.base import BoundSession
from openclaw_webhooks.engines.bridge import BridgeEngine
from tests.bridge.shared import find_shared_folder, shared_bridge
from tests.contract.adapters import ADAPTERS, EngineUnderTest
from tests.engines.databases import postgres_database, sqlite_database


@pytest.fixture(scope="session")
def suite_alias(tmp_path_factory: pytest.TempPathFactory, django_db_blocker: DjangoDbBlocker) -> Iterator[str]:
    """A database of the suite's own, of the kind that ``TEST_DATABASE_URL`` names."""
    url = os.environ.get("TEST_DATABASE_URL")
    made = postgres_database(url) if url else sqlite_database(tmp_path_factory.mktemp("contract"), timeout=10)
    with ExitStack() as stack:
        with django_db_blocker.unblock():
            alias = stack.enter_context(made)
        yield alias
        with django_db_blocker.unblock():
            stack.close()


@pytest.fixture(scope="session")
def suite_gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[BridgeEngine, Iterator[str]]]:
    """A real Gateway with this package's plugin, and session keys that it may be asked for."""
    with shared_bridge(find_shared_folder(tmp_path_factory, "bridge")) as bridge:
        yield bridge.engine(), iter(bridge.session_keys)


@pytest.fixture(params=["embedded"] if os.environ.get("TEST_DATABASE_URL") else sorted(ADAPTERS))
def under_test(request: pytest.FixtureRequest) -> Iterator[EngineUnderTest]:
    """Return each engine; on PostgreSQL the one that keeps its flows there, since nothing else is another one then."""
    yield from ADAPTERS[request.param](request)


@pytest.fixture
def session(under_test: EngineUnderTest) -> BoundSession:
    return under_test.new_session()


@pytest.fixture
def reporting_session(under_test: EngineUnderTest) -> BoundSession:
    if not under_test.engine.capabilities.reports_tasks:
        pytest.skip("engine lacks reports_tasks")
    return under_test.new_session()
