"""gunicorn's configuration for the stand-alone server, and how its processes stop without losing anything.

Times: an operator waits at most 5 seconds for a stop. The master kills after ``graceful_timeout``. A worker gives its
callers ``_CALLERS_GRACE_SECONDS``, to which gunicorn adds up to 1 (WSGI) or 1.5 of its own (ASGI), and has the rest for
writing its call records.
"""

from __future__ import annotations

import gc
import os
import signal
from pathlib import Path
from types import FrameType
from typing import Any, Final

from openclaw_webhooks.guards.client_address import is_trusted_peer
from openclaw_webhooks.memory import share_arenas
from openclaw_webhooks.servers import gunicorn as hooks
from openclaw_webhooks.servers import scheduling
from openclaw_webhooks.servers.connections import MOST_CONNECTIONS
from openclaw_webhooks.servers.gunicorn_threads import TurnTakingWorker
from openclaw_webhooks.servers.gunicorn_uvicorn import UvicornWorker
from project.log_lines import GunicornLogger
from project.settings import LOGGING, SERVER
from project.tracing import start_tracing, stop_tracing


class _TrustsProxies:
    """Keeps the connections of trusted proxies longest."""

    def is_trusted(self, peer: str | None) -> bool:
        """Tell whether the peer is one of ``gateway.trustedProxies``, or on a unix socket."""
        from openclaw_webhooks.runtime import get_runtime  # noqa: PLC0415 - importable once a worker loaded the app

        return is_trusted_peer(peer, get_runtime().configuration.trusted_proxies)


class AsgiWorker(_TrustsProxies, UvicornWorker):
    """The worker under ASGI."""


class WsgiWorker(_TrustsProxies, TurnTakingWorker):
    """The worker under WSGI."""


wsgi_app = f"project.{SERVER.interface}:application"
bind = [bind.gunicorn_value for bind in SERVER.binds]
workers = SERVER.workers
worker_class = AsgiWorker if SERVER.interface == "asgi" else WsgiWorker
# Under ASGI the engine's threads are the app's own pool (ENGINE_THREADS), and the worker has none.
threads = 1 if SERVER.interface == "asgi" else SERVER.threads
# A fault at start stops the server instead of leaving it to answer errors.
asgi_lifespan = "on"
# Workers fork from a master that has loaded the app: one that was killed is replaced in milliseconds, not seconds.
preload_app = True

graceful_timeout = 4
_CALLERS_GRACE_SECONDS: Final = 1 if SERVER.interface == "asgi" else 2
keepalive = 15

# Nothing that a caller writes into a header changes the peer or the scheme: whom to believe is gateway.trustedProxies.
# There is no header that gunicorn believes, so it need not ask from whom: that takes 25 µs of each request.
secure_scheme_headers: dict[str, str] = {}
forwarder_headers = ""
forwarded_allow_ips = "*"

# It would be opened in the home folder, and nothing here uses it.
control_socket_disable = True
# Group members may connect to a unix socket: a reverse proxy usually is another user.
umask = 0o007
worker_tmp_dir = "/dev/shm" if Path("/dev/shm").is_dir() else None  # noqa: S108 - gunicorn makes its files safely
# Calls are recorded by the app; errors go where its log goes.
accesslog = None
logger_class = GunicornLogger
errorlog = "-"
logconfig_dict = LOGGING


def when_ready(_arbiter: Any) -> None:
    """Make Ctrl-C as gentle as SIGTERM: gunicorn's own way drops requests that are being answered.

    What was loaded stays for good, and the garbage collector need not walk over it: a full collection stops a worker
    for 59 ms over a loaded Django and for 8 ms without, and workers go on sharing its memory with the master.
    """
    share_arenas()
    gc.collect()
    gc.freeze()
    signal.signal(signal.SIGINT, _terminate_self)


def post_worker_init(worker: Any) -> None:
    """Have the worker be done before the master would kill it, and leave Ctrl-C, which all get, to the master."""
    worker.cfg.set("graceful_timeout", _CALLERS_GRACE_SECONDS)
    if SERVER.traces:
        start_tracing()
    # A handler, not SIG_IGN: that would be inherited by the commands of exec SecretRefs.
    signal.signal(signal.SIGINT, _ignore)


def worker_exit(arbiter: Any, worker: Any) -> None:
    """Finish what the worker has begun: last answers are read, call records written, limits let go."""
    if worker.booted and worker.pid == os.getpid():
        from openclaw_webhooks.runtime import close_runtime  # noqa: PLC0415 - importable once a worker loaded the app

        hooks.worker_exit(arbiter, worker)
        close_runtime()
        if SERVER.traces:
            stop_tracing()
        # Python would wait for request threads, and so for clients that connected and never sent a byte.
        os._exit(0)


if SERVER.cpu_affinity:
    pre_fork = scheduling.build_pre_fork(cpus_left=SERVER.cpus_left)
    post_fork = scheduling.post_fork

if SERVER.interface == "wsgi":
    worker_connections = MOST_CONNECTIONS
    # Every body here is bounded: those of pages as well.
    pre_request = hooks.build_pre_request(is_route=lambda _path: True)
    post_request = hooks.post_request


def _terminate_self(_signal: int, _frame: FrameType | None) -> None:
    os.kill(os.getpid(), signal.SIGTERM)


def _ignore(*_: Any) -> None:
    """Do nothing."""
