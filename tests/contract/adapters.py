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
        close_thread: Lets go of what the engine holds for the calling thread; called at the end of each.
    """

    engine: Engine
    close_thread: Callable[[], None] = lambda: None
    _name: str = field(default_factory=lambda: f"n{next(_numbers)}")

    def new_session_key(self) -> str:
        """Return the key of a session without flows."""
        return f"agent:tester:{self._name}-{next(_numbers)}"

    def new_session(self) -> BoundSession:
        return self.engine.bind_session(self.new_session_key())


def _embedded(request: pytest.FixtureRequest) -> Iterator[EngineUnderTest]:
    """Use a database that all tests share: each has sessions of its own, so nothing need be emptied between them."""
    alias = request.getfixturevalue("suite_alias")
    with request.getfixturevalue("django_db_blocker").unblock():
        yield EngineUnderTest(EmbeddedEngine(using=alias), close_thread=connections.close_all)


ADAPTERS: dict[str, Callable[[pytest.FixtureRequest], Iterator[EngineUnderTest]]] = {"embedded": _embedded}
"""The parameters of the fixture ``under_test``."""
