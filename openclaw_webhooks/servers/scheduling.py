"""What the kernel is told of gunicorn's workers, of whose threads one runs at a time: the interpreter has one lock.

**Each worker on one processor of its own**, as nginx's ``worker_cpu_affinity auto`` does. Where the kernel spreads the
threads of a worker over processors, each handover between an event loop and the engine's thread wakes another
processor, whose caches hold nothing of it. In ``gunicorn.conf.py``::

    from openclaw_webhooks.servers import scheduling

    pre_fork = scheduling.build_pre_fork()
    post_fork = scheduling.post_fork

Only where every processor gets as many workers as any other, but for those that are left to somebody else: the one
thread of a Gateway that hosts the server. With fewer workers than processors the kernel may move a worker away from a
busy one, and does better.

**Who is woken waits for its turn** (``interrupt_nobody``), under the ASGI worker: the kernel would have a thread that
was woken interrupt the one that woke it, in the middle of what it was about to finish.

Measured with 8 callers, 2 workers and 2 processors, in requests a second. The first: at the ASGI door a fifth more gets
and an eighth more lifecycles, at the DRF door a tenth more gets; and where a Gateway hosts the server a tenth more of
everything with one worker and one processor left, instead of two workers. The second on top of it: a tenth more gets
and lifecycles, and a quarter more gets of a Gateway that hosts the server, whose one thread each answer interrupted;
with threads that take their turns of a queue, at the DRF door, a tenth fewer.

Source: gunicorn 27.0, ``arbiter.py``; sched_setaffinity(2), sched(7).
"""

from __future__ import annotations

import os
import sys
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from typing import Any

__all__ = ["build_pre_fork", "post_fork"]


def build_pre_fork(*, cpus_left: int = 0) -> Callable[[Any, Any], None]:
    """Build the ``pre_fork`` hook, which chooses a new worker's processor: the one with the fewest workers.

    A worker that replaces one that ended gets that one's; on a reload the new ones spread as the old ones do.

    Args:
        cpus_left: How many processors are left to others where each of the rest gets as many workers.
    """

    def pre_fork(arbiter: Any, worker: Any) -> None:
        cpus = sorted(usable_cpus())
        for chosen in (cpus, cpus[: max(0, len(cpus) - cpus_left)]):
            if chosen and arbiter.num_workers % len(chosen) == 0:
                taken = Counter(getattr(sibling, "cpu", None) for sibling in arbiter.WORKERS.values())
                worker.cpu = min(chosen, key=lambda cpu: (taken[cpu], cpu))
                return

    return pre_fork


def post_fork(_arbiter: Any, worker: Any) -> None:
    """Keep the worker, with the threads that it will have, on its processor (``post_fork`` hook)."""
    if hasattr(worker, "cpu"):
        with suppress(OSError):  # taken away meanwhile, or forbidden in a sandbox: it is a matter of speed alone
            os.sched_setaffinity(0, {worker.cpu})


def interrupt_nobody() -> None:
    """Have threads of this process, but for those that run already, wait for the running one when they are woken.

    Leaves a process alone that was started with a policy of its own.
    """
    if sys.platform == "linux" and os.sched_getscheduler(0) == os.SCHED_OTHER:
        with suppress(OSError):  # forbidden in a sandbox: see above
            os.sched_setscheduler(0, os.SCHED_BATCH, os.sched_param(0))


def usable_cpus() -> set[int]:
    """Return the numbers of the processors that this process may use; none where the system does not tell."""
    return os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else set()
