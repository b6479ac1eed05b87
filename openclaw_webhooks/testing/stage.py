"""What the app is set up with while a test runs: the test's engine and clock, and routes with known secrets."""

from __future__ import annotations

import itertools
import secrets
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import ModuleType
from typing import Any, Final, Self

from django.conf import settings as django_settings
from django.urls import include, path

from openclaw_webhooks.conf.configuration import get_configuration
from openclaw_webhooks.guards.limits.base import DEFAULT_LIMITS, Limits
from openclaw_webhooks.guards.limits.process_memory import ProcessMemoryStore
from openclaw_webhooks.testing.client import WebhookClient
from openclaw_webhooks.testing.clock import TestClock
from openclaw_webhooks.testing.engine import ControlledEngine
from openclaw_webhooks.testing.routes import TestRoute
from openclaw_webhooks.urls import build_urlpatterns

_numbers: Final = itertools.count()


@dataclass
class Stage:
    """One test's app.

    Attributes:
        change_setting: Sets one of Django's settings until the test ends.
        project_urls: The project's own root URLconf.
        routes: What is served, as ``ROUTES`` of the settings has it.
    """

    clock: TestClock
    engine: ControlledEngine
    change_setting: Callable[[str, Any], None]
    project_urls: str
    routes: dict[str, dict[str, Any]] = field(default_factory=dict)

    @classmethod
    def build(cls, change_setting: Callable[[str, Any], None]) -> Self:
        """Take over the project's routes, each with a secret of the test's."""
        clock = TestClock()
        stage = cls(clock, ControlledEngine(clock), change_setting, django_settings.ROOT_URLCONF)
        for route in get_configuration().routes:
            stage.routes[route.route_id] = {
                "path": route.path,
                "sessionKey": route.session_key,
                "controllerId": route.controller_id,
                "secret": _make_secret(),
            }
        return stage

    def serve(self) -> None:
        """Make the app serve ``routes`` through the project's URLs."""
        own: Mapping[str, Any] = getattr(django_settings, "OPENCLAW_WEBHOOKS", {})
        changed = {
            "ROUTES": self.routes,
            "ENGINE": f"{__name__}.get_engine",
            "LIMIT_STORE": f"{__name__}.StageLimits",
        }
        kept = {name: value for name, value in own.items() if name not in ("CONFIG_PATH", "REDIS_URL", "BRIDGE_URL")}
        self.change_setting("OPENCLAW_WEBHOOKS", {**kept, **changed})
        self.change_setting("ROOT_URLCONF", self._build_urlconf())

    def add_route(self, route_id: str, **config: Any) -> TestRoute:
        """Serve a route: the project's of that name, or a new one; ``config`` is as in ``ROUTES``.

        Raises:
            AssertionError: The configuration has a problem; the message names it.
        """
        new = {"sessionKey": f"agent:test:{route_id}", "secret": _make_secret()}
        self.routes[route_id] = {**new, **self.routes.get(route_id, {}), **config}
        self.serve()
        configuration = get_configuration()
        problems = "; ".join(f"{problem.path}: {problem.message}" for problem in configuration.problems)
        served = {route.route_id: route for route in configuration.routes}
        assert route_id in served, f"route {route_id!r} is not served: {problems}"
        secret = str(self.routes[route_id]["secret"])
        return TestRoute(served[route_id], secret, WebhookClient(served[route_id].path, secret))

    def _build_urlconf(self) -> str:
        """Put the routes in front of the project's own URLs, in a module of its own."""
        module = ModuleType(f"{__name__}_urls_{next(_numbers)}")
        project = sys.modules.get(self.project_urls)
        handlers = (
            {name: value for name, value in vars(project).items() if name.startswith("handler")} if project else {}
        )
        patterns = [*build_urlpatterns(get_configuration()), path("", include(self.project_urls))]
        vars(module).update(handlers, urlpatterns=patterns)
        sys.modules[module.__name__] = module
        return module.__name__


_current: Stage | None = None


def set_stage(stage: Stage | None) -> None:
    """Say whose engine and clock the app shall get; ``None`` after the test."""
    global _current  # noqa: PLW0603 - one test runs at a time in a process
    _current = stage


def get_stage() -> Stage:
    """Return the running test's.

    Raises:
        RuntimeError: No test that uses a fixture of the kit runs.
    """
    if _current is None:
        raise RuntimeError("the test kit's engine was asked for outside of a test that uses the kit's fixtures")
    return _current


def get_engine() -> ControlledEngine:
    """Return the running test's engine: what ``ENGINE`` of the settings names."""
    return get_stage().engine


class StageLimits(ProcessMemoryStore):
    """The limits on the test's clock, with nothing counted at its start."""

    @classmethod
    def of_deployment(cls, name: str, limits: Limits = DEFAULT_LIMITS) -> Self:
        """Count for the running test alone."""
        return cls(limits=limits, clock=get_stage().clock.read_monotonic)


def _make_secret() -> str:
    return f"test-{secrets.token_hex(16)}"
