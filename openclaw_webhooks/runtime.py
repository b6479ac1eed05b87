"""Everything one worker process needs to serve routes, put together once and taken apart at its end.

The only place that turns settings into objects. Made at first use, so after a server's fork; a child of a process
that already had one starts anew, because locks, threads and connections do not survive a fork.
"""

from __future__ import annotations

import atexit
import hashlib
import logging
import os
import threading
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, cast

from django.conf import settings as django_settings
from django.core.signals import setting_changed
from django.db import connections
from django.utils.module_loading import import_string

from openclaw_webhooks.beside import begin_in_thread
from openclaw_webhooks.calls.inline import InlineRecorder
from openclaw_webhooks.calls.recorder import CallRecorder, NoRecorder
from openclaw_webhooks.conf.configuration import Configuration, get_configuration
from openclaw_webhooks.conf.routes import RouteConfig
from openclaw_webhooks.conf.settings import (
    PROCESS_MEMORY_STORE,
    REDIS_STORE,
    SHARED_MEMORY_STORE,
    AppSettings,
    get_settings,
)
from openclaw_webhooks.engine_pool import EnginePool
from openclaw_webhooks.engines.base import CommitsTogether, Engine, PausesOnLoop
from openclaw_webhooks.guards.limits.base import DEFAULT_LIMITS, Allowance, Limits, LimitStore
from openclaw_webhooks.in_tests import InlinePool, InlineSink, are_tests_running, begin_in_test_thread
from openclaw_webhooks.loop_pool import LoopPool
from openclaw_webhooks.memory import give_back
from openclaw_webhooks.monitoring.pages import MonitoringPages
from openclaw_webhooks.monitoring.watch import Watch, Watched
from openclaw_webhooks.pipeline import Pipeline
from openclaw_webhooks.secrets.reasons import ReasonLog
from openclaw_webhooks.secrets.resolver import SecretResolver
from openclaw_webhooks.sign_ins.limits import SignInLimits
from openclaw_webhooks.sign_ins.refused import RefusalRecord


@dataclass(frozen=True, slots=True)
class Runtime:
    """The objects behind both doors of one process.

    Attributes:
        routes: Request path to route; a path that ends in one slash leads to the same route as the path without.
        engine_pool: Where the ASGI door makes the engine's calls: in threads, or on the event loop where the engine
            can pause there.
        long_pool: Where it makes those whose answers may be long: a few at a time, because each holds its answer whole.
        limit_pool: Where it asks a limit store that may wait, so that a slow one holds no thread of the engine's.
        watch: Who hears of calls afterwards: metrics, logs, traces, signals.
        pages: What monitoring asks for.
        sign_in_limits: What attempts to sign in to the admin are counted by.
        sign_in_refusals: Where those that were refused are written down.
        settle: Awaited before an answer leaves the ASGI door, where its record must not come later.
        is_of_tests: Whether it was made for the tests of a project, which have everything in their own thread.
        notices: Sentences for the operator about how this process is run.
    """

    configuration: Configuration
    routes: Mapping[str, RouteConfig] = field(repr=False)
    resolver: SecretResolver
    limit_store: LimitStore
    engine: Engine
    recorder: CallRecorder | InlineRecorder | NoRecorder
    pipeline: Pipeline
    engine_pool: EnginePool | LoopPool | InlinePool
    long_pool: EnginePool | InlinePool
    limit_pool: EnginePool | InlinePool
    watch: Watch
    pages: MonitoringPages
    sign_in_limits: SignInLimits
    sign_in_refusals: RefusalRecord = field(default_factory=RefusalRecord)
    settle: Callable[[], Awaitable[None]] | None = None
    is_of_tests: bool = False
    notices: set[str] = field(default_factory=set)

    def close(self) -> None:
        """Finish what was begun: engine calls end, records are written, the limits let go. Takes seconds at most."""
        for pool in (self.engine_pool, self.long_pool, self.limit_pool):
            pool.close()
        self.recorder.close()
        self.watch.close()
        self.limit_store.close()
        self.sign_in_limits.close()


_LIMIT_THREADS: Final = 16
_LONG_CALLS: Final = 2
"""A list of 10,000 flows is some 10 MB, of which there are copies while it is made."""

logger = logging.getLogger(__name__)

_lock = threading.Lock()
_current: Runtime | None = None


def get_runtime() -> Runtime:
    """Return this process's runtime, made at the first call.

    Raises:
        ImproperlyConfigured: If ``settings.OPENCLAW_WEBHOOKS`` is faulty.
    """
    runtime = _current
    if runtime is not None and runtime.is_of_tests is are_tests_running():
        return runtime
    return _make_current()


def close_runtime() -> None:
    """Take this process's runtime apart, if it has one; the next call to ``get_runtime`` makes a new one."""
    global _current
    with _lock:
        runtime, _current = _current, None
    if runtime is not None:
        runtime.close()


def _make_current() -> Runtime:
    global _current  # noqa: PLW0603 - one per process by design
    with _lock:
        runtime, in_tests = _current, are_tests_running()
        if runtime is None or runtime.is_of_tests is not in_tests:
            if runtime is not None:
                runtime.close()
            configuration = get_configuration()
            _report(configuration)
            runtime = _current = build_runtime(get_settings(), configuration, in_tests=in_tests)
        return runtime


def _report(configuration: Configuration) -> None:
    """Tell the log what is wrong: a WSGI or ASGI server runs no system checks, and faulty routes answer 404."""
    for problem in configuration.problems:
        logger.error("%s: %s", problem.path, problem.message)


def build_runtime(settings: AppSettings, configuration: Configuration, *, in_tests: bool = False) -> Runtime:
    """Put a runtime together; touches neither database nor network. ``in_tests`` makes it as ``in_tests`` describes."""
    engine: Engine = import_string(settings.engine)()
    limits = build_limits(settings, configuration.routes)
    deployment = _name_deployment(in_tests=in_tests)
    limit_store = import_string(_choose_limit_store(settings, in_tests=in_tests)).of_deployment(deployment, limits)
    recorder = _build_recorder(settings, in_tests=in_tests)
    reasons = ReasonLog(clock=time.monotonic)
    watch = Watch(
        settings.monitoring,
        deployment=deployment,
        watched=Watched(
            configuration=configuration, engine=engine, limit_store=limit_store, recorder=recorder, reasons=reasons
        ),
        begin=begin_in_test_thread if in_tests else begin_in_thread,
    )
    inline = InlineSink(watch.take) if in_tests else None
    pipeline = Pipeline(
        engine=engine,
        sink=inline or watch.sink,
        trusted_proxies=configuration.trusted_proxies,
        allow_real_ip_fallback=configuration.allow_real_ip_fallback,
        limits_fail_open=settings.limits_fail_open,
        advertised_limits=limits if settings.rate_limit_headers else None,
        host_token=settings.host_token or "",
    )
    resolver = SecretResolver(
        configuration.secrets,
        environ=os.environ,
        reuse_seconds=settings.exec_reuse_seconds,
        reasons=reasons,
        note_resolution=watch.note_resolution,
    )
    return Runtime(
        configuration=configuration,
        routes=build_route_table(configuration),
        resolver=resolver,
        limit_store=limit_store,
        engine=engine,
        recorder=recorder,
        pipeline=pipeline,
        engine_pool=_build_engine_pool(engine, settings.engine_threads, inline),
        long_pool=_build_long_pool(engine, settings.engine_threads, inline),
        limit_pool=InlinePool(inline.settle) if inline else EnginePool(_LIMIT_THREADS),
        watch=watch,
        pages=watch.build_pages(find_client=pipeline.find_client, read_statuses=resolver.statuses),
        sign_in_limits=SignInLimits.of_deployment(deployment, settings, is_alone=in_tests),
        settle=inline.settle if inline else None,
        is_of_tests=in_tests,
    )


def _choose_limit_store(settings: AppSettings, *, in_tests: bool) -> str:
    """Return the store's dotted path. Tests count for themselves, unless the project has a store of its own."""
    is_shared = settings.limit_store in (SHARED_MEMORY_STORE, REDIS_STORE)
    return PROCESS_MEMORY_STORE if in_tests and is_shared else settings.limit_store


def _build_recorder(settings: AppSettings, *, in_tests: bool) -> CallRecorder | InlineRecorder | NoRecorder:
    if not settings.record_calls:
        return NoRecorder()
    if in_tests:
        return InlineRecorder()
    return CallRecorder(queue_size=settings.call_queue_size, flush_seconds=settings.call_flush_seconds)


def _build_engine_pool(engine: Engine, threads: int, inline: InlineSink | None) -> EnginePool | LoopPool | InlinePool:
    if _pauses(engine):
        return LoopPool(threads)
    if inline is not None:
        return InlinePool(inline.settle)
    can_join = isinstance(engine, CommitsTogether) and engine.commits_together
    make_together = cast("CommitsTogether", engine).commit_together if can_join else None
    return EnginePool(threads, make_together=make_together, on_thread_end=_let_go)


def _build_long_pool(engine: Engine, threads: int, inline: InlineSink | None) -> EnginePool | InlinePool:
    # An engine that pauses waits for sockets, perhaps for those of the test's own event loop, and uses no database.
    if inline is not None and not _pauses(engine):
        return InlinePool(inline.settle)
    return EnginePool(min(_LONG_CALLS, threads), on_thread_end=_let_go)


def _pauses(engine: Engine) -> bool:
    # True itself: an engine that stands for another may have an answer to every name.
    return isinstance(engine, PausesOnLoop) and engine.pauses_on_loop is True


def _let_go() -> None:
    """Close a thread's connections, and give back the room that their page caches had."""
    connections.close_all()
    give_back()


def build_limits(settings: AppSettings, routes: Iterable[RouteConfig]) -> Limits:
    """Make the limits of every route: the specification's numbers where none were set."""
    chosen = {route.path: settings.limits[route.route_id] for route in routes if route.route_id in settings.limits}
    return Limits(
        of_paths={
            path: Allowance(
                rate=limits.rate or DEFAULT_LIMITS.rate,
                window_seconds=limits.window_seconds or DEFAULT_LIMITS.window_seconds,
                in_flight=limits.in_flight or DEFAULT_LIMITS.in_flight,
            )
            for path, limits in chosen.items()
        }
    )


def build_route_table(configuration: Configuration) -> dict[str, RouteConfig]:
    """Map every path that leads to a route; a path is absolute, whatever the app is mounted under."""
    table = {f"{route.path}/": route for route in configuration.routes}
    return table | {route.path: route for route in configuration.routes}


def _name_deployment(*, in_tests: bool) -> str:
    """Name what shares its limits: processes with one SECRET_KEY are one deployment. The key cannot be told from it.

    Each process of a test run is one by itself.
    """
    scope = f":tests:{os.getpid()}" if in_tests else ""
    return hashlib.sha256(f"openclaw-webhooks:{django_settings.SECRET_KEY}{scope}".encode()).hexdigest()[:16]


def _forget_after_fork() -> None:
    global _current, _lock
    _current, _lock = None, threading.Lock()


def _close_on_change(*, setting: str, **_: Any) -> None:
    if setting == "OPENCLAW_WEBHOOKS":
        close_runtime()


# For processes that no server closes: commands, tests, a development server.
atexit.register(close_runtime)
os.register_at_fork(after_in_child=_forget_after_fork)
setting_changed.connect(_close_on_change)
