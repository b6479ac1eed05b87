"""The pytest plugin: installed with the package, it adds fixtures to every suite that runs pytest-django.

Loaded before Django is set up, so it imports the rest of the kit only within fixtures.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from openclaw_webhooks.testing.client import WebhookClient
    from openclaw_webhooks.testing.clock import TestClock
    from openclaw_webhooks.testing.engine import ControlledEngine
    from openclaw_webhooks.testing.routes import TestRoute
    from openclaw_webhooks.testing.stage import Stage

__all__ = ["webhook_client", "webhook_clock", "webhook_engine", "webhook_route"]


@pytest.fixture
def _webhook_stage(db: None, settings: Any) -> Iterator[Stage]:
    """The app on the test's own engine, clock and secrets, until the test ends."""
    from openclaw_webhooks.runtime import close_runtime
    from openclaw_webhooks.testing.stage import Stage, set_stage

    stage = Stage.build(lambda name, value: setattr(settings, name, value))
    set_stage(stage)
    stage.serve()
    yield stage
    close_runtime()
    set_stage(None)


@pytest.fixture
def webhook_route(_webhook_stage: Stage) -> Callable[..., TestRoute]:
    """Serve a route: ``webhook_route("ci")`` the project's own, or a new one; keywords as in ``ROUTES``."""

    def serve(route_id: str = "test", **config: Any) -> TestRoute:
        return _webhook_stage.add_route(route_id, **config)

    return serve


@pytest.fixture
def webhook_client(webhook_route: Callable[..., TestRoute]) -> WebhookClient:
    """A caller of a new route ``test`` that knows its secret."""
    return webhook_route().client


@pytest.fixture
def webhook_engine(_webhook_stage: Stage) -> ControlledEngine:
    """The engine, which fails on demand: ``webhook_engine.fail_next()``."""
    return _webhook_stage.engine


@pytest.fixture
def webhook_clock(_webhook_stage: Stage) -> TestClock:
    """The time of engine and limits: ``webhook_clock.advance(60)``."""
    return _webhook_stage.clock
