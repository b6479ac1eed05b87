"""The stand-alone server as a person starts it: ``python -m project.serve`` in an empty home folder."""

from __future__ import annotations

import os
import queue
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from tests.live import ROOT, free_port


@dataclass(slots=True)
class Started:
    """One start: its process and every line it has written to standard output and error."""

    process: subprocess.Popen[str]
    port: int = 0
    lines: list[str] = field(default_factory=list)
    _news: queue.SimpleQueue[str | None] = field(default_factory=queue.SimpleQueue)

    def read(self) -> None:
        """Read what the process writes, until it ends; runs in a thread of its own."""
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.lines.append(line.rstrip("\n"))
            self._news.put(line)
        self._news.put(None)

    def wait_for(self, words: str, *, timeout_seconds: float = 30) -> float:
        """Wait until a line holds these words; return when that was, monotonic seconds."""
        deadline = time.monotonic() + timeout_seconds
        while (line := self._news.get(timeout=deadline - time.monotonic())) is not None:
            if words in line.lower():
                return time.monotonic()
        raise AssertionError(f"ended with {self.process.wait()} before {words!r}:\n{self.output}")

    @property
    def output(self) -> str:
        return "\n".join(self.lines)

    def stop(self, number: signal.Signals) -> float:
        """Send a signal as a terminal would, to the whole group for Ctrl-C; return the seconds until all ended."""
        began = time.monotonic()
        if number is signal.SIGINT:
            os.killpg(self.process.pid, number)
        else:
            self.process.send_signal(number)
        self.process.wait(15)
        return time.monotonic() - began


def build_environ(home: Path, **variables: str) -> dict[str, str]:
    """Build the environment of a newcomer: an empty home folder, and nothing of the server's configuration."""
    kept = {name: os.environ[name] for name in ("PATH", "LANG", "COVERAGE_PROCESS_CONFIG") if name in os.environ}
    return {**kept, "HOME": str(home), "PYTHONUNBUFFERED": "1", **variables}


@contextmanager
def follow(command: Sequence[str], *, folder: Path, environ: Mapping[str, str]) -> Iterator[Started]:
    """Run a command, reading what it writes; leaves nothing running afterwards."""
    process = subprocess.Popen(
        command,
        cwd=folder,
        env=dict(environ),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    started = Started(process)
    reader = threading.Thread(target=started.read, daemon=True)
    reader.start()
    try:
        yield started
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait(10)
        reader.join(10)
        assert process.stdout is not None
        process.stdout.close()


@contextmanager
def start(home: Path, *, environ: Mapping[str, str] | None = None, workers: int = 1) -> Iterator[Started]:
    """Start the server in ``home`` (data folder: ``home/data``) on a free port."""
    port = free_port()
    variables = {
        "OPENCLAW_WEBHOOKS_BIND": f"127.0.0.1:{port}",
        "OPENCLAW_WEBHOOKS_WORKERS": str(workers),
        "OPENCLAW_WEBHOOKS_DATA_DIR": str(home / "data"),
    }
    command = [sys.executable, "-m", "project.serve"]
    with follow(command, folder=ROOT, environ=build_environ(home, **(variables | dict(environ or {})))) as started:
        started.port = port
        yield started


def refuse(home: Path, **variables: str) -> tuple[int, str]:
    """Start where that must fail; return the exit status and what was written."""
    with start(home, environ=variables) as started:
        started.process.wait(30)
    return started.process.returncode, started.output
