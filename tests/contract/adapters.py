"""How an engine plugs into the contract suite: one ``EngineUnderTest`` per engine, made by a function named here.

The suite knows nothing else of an engine: no clock, no table. What an engine cannot do, its capabilities say, and the
tests concerned skip by those names.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import pytest
from django.db import connections

from openclaw_webhooks.engines.base import BoundSession, Engine
from openclaw_webhooks.engines.embedded import EmbeddedEngine

_numbers = itertools.count()


@dataclass
class EngineUnderTest:
    """An engine and what the suite needs around it.

    Attributes:
        session_keys: Keys of sessions without flows, that the engine may be asked for.
        close_thread: Lets go of what the engine holds for the calling thread; called at the end of each.
    """

    engine: Engine
    session_keys: Iterator[str] = field(default_factory=lambda: _make_keys(f"n{next(_numbers)}"))
    close_thread: Callable[[], None] = lambda: None

    def new_session_key(self) -> str:
        """Return the key of a session without flows."""
        return next(self.session_keys)

    def new_session(self) -> BoundSession:
        return self.engine.bind_session(self.new_session_key())


def _embedded(request: pytest.FixtureRequest) -> Iterator[EngineUnderTest]:
    """Use a database that all tests share: each has sessions of its own, so nothing need be emptied between them."""
    alias = request.getfixturevalue("suite_alias")
    with request.getfixturevalue("django_db_blocker").unblock():
        yield EngineUnderTest(EmbeddedEngine(using=alias), close_thread=connections.close_all)


def _bridge(request: pytest.FixtureRequest) -> Iterator[EngineUnderTest]:
    """Use a real Gateway that all tests share, and the sessions that its plugin was told of."""
    engine, session_keys = request.getfixturevalue("suite_gateway")
    yield EngineUnderTest(engine, session_keys)


def _make_keys(name: str) -> Iterator[str]:
    return (f"agent:tester:{name}-{number}" for number in itertools.count())


ADAPTERS: dict[str, Callable[[pytest.FixtureRequest], Iterator[EngineUnderTest]]] = {
    "bridge": _bridge,
    "embedded": _embedded,
}
"""The parameters of the fixture ``under_test``."""
