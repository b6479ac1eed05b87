"""Many of the app's commands one after another, each in a process of its own that need not load Django first.

``python -m tests.management.warm`` loads the stand-alone server's settings once and forks for every command line that
it reads; from then on a command takes the way of ``manage.py``. What only a new interpreter shows is for
``tests.live.manage``.
"""

from __future__ import annotations

import contextlib
import importlib
import json
import os
import pkgutil
import subprocess
import sys
import tempfile
import traceback
from collections.abc import Iterator, Mapping

from tests.live import ROOT


class Commands:
    """Runs commands with the environment that it was started with."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process

    def run(self, *arguments: str) -> tuple[int, str]:
        """Run one command; return its exit status, and what it printed: first to standard output, then to error."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(f"{json.dumps(arguments)}\n")
        self._process.stdin.flush()
        status, told = json.loads(self._process.stdout.readline())
        return status, told


@contextlib.contextmanager
def warm_commands(environ: Mapping[str, str]) -> Iterator[Commands]:
    """Keep a process ready that has loaded the stand-alone server's settings."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("OPENCLAW", "DJANGO"))}
    command = [sys.executable, "-m", "tests.management.warm"]
    env = {**kept, "DJANGO_SETTINGS_MODULE": "project.settings", **environ}
    with subprocess.Popen(
        command, cwd=ROOT, env=env, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        yield Commands(process)


def _serve() -> None:
    import django

    django.setup()
    package = importlib.import_module("openclaw_webhooks.management.commands")
    for module in pkgutil.iter_modules(package.__path__):
        importlib.import_module(f"{package.__name__}.{module.name}")
    for line in sys.stdin:
        # Two files: in one, the order of what a process writes to two streams depends on how each is buffered.
        with tempfile.TemporaryFile("w+", encoding="utf-8") as out, tempfile.TemporaryFile("w+") as err:
            child = os.fork()
            if child == 0:
                _become(json.loads(line), out.fileno(), err.fileno())
            status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
            out.seek(0)
            err.seek(0)
            sys.stdout.write(f"{json.dumps([status, out.read() + err.read()])}\n")
            sys.stdout.flush()


def _become(arguments: list[str], out: int, err: int) -> None:
    """Be the process of one command, to its end."""
    from django.core.management import execute_from_command_line

    os.dup2(out, 1)
    os.dup2(err, 2)
    status: object = 1
    try:
        execute_from_command_line(["manage.py", *arguments])
        status = 0
    except SystemExit as ended:
        status = ended.code or 0
    except BaseException:  # noqa: BLE001 - as the interpreter does with whatever nobody caught
        traceback.print_exc()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status if isinstance(status, int) else 1)


if __name__ == "__main__":
    _serve()
