"""A running Gateway: a child process in folders of its own."""

from __future__ import annotations

import contextlib
import http.client
import os
import signal
import subprocess
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from project.gateway.installation import Installation

START_PATIENCE_SECONDS: Final = 90.0
STOP_PATIENCE_SECONDS: Final = 15.0


class NotStarted(Exception):
    """The Gateway ended or did not answer in time; the message has the end of its log."""


@dataclass
class GatewayProcess:
    """A Gateway on ``port`` whose home and state are in ``folder``; its log is ``folder/gateway.log``.

    Attributes:
        config_path: Its configuration file.
        environ: Variables in addition to the few that it needs.
    """

    installation: Installation
    folder: Path
    config_path: Path
    port: int
    environ: Mapping[str, str] = field(default_factory=dict)
    _process: subprocess.Popen[bytes] | None = None

    @property
    def log_path(self) -> Path:
        """Where it logs."""
        return self.folder / "gateway.log"

    @property
    def process(self) -> subprocess.Popen[bytes]:
        """The started process."""
        assert self._process is not None  # noqa: S101 - a mistake of the caller
        return self._process

    def start(self) -> None:
        """Start it; it takes some ten seconds until it answers."""
        self.folder.mkdir(parents=True, exist_ok=True)
        with self.log_path.open("ab") as log:
            self._process = subprocess.Popen(  # noqa: S603 - the program that npm installed
                [self.installation.node, self.installation.entry, "gateway", "run", "--port", str(self.port)],
                cwd=self.folder,
                env=self.build_environ(),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,  # Ctrl-C reaches this process alone, which then stops the Gateway in order.
            )

    def build_environ(self) -> dict[str, str]:
        """Return its environment; also what ``openclaw`` commands need that are to act on this Gateway."""
        return {
            "PATH": os.environ.get("PATH", os.defpath),
            "HOME": str(self.folder),
            "OPENCLAW_STATE_DIR": str(self.folder),
            "OPENCLAW_CONFIG_PATH": str(self.config_path),
            **self.environ,
        }

    def wait_for_route(self, path: str) -> None:
        """Wait until a route answers; the port is open some time before the routes are there.

        Raises:
            NotStarted: It ended, or took too long.
        """
        deadline = time.monotonic() + START_PATIENCE_SECONDS
        while time.monotonic() < deadline and self.process.poll() is None:
            with contextlib.suppress(OSError, http.client.HTTPException):
                # A route refuses GET with 405 before it counts anything; 404 and 503 mean "not yet".
                if self._ask(path) == http.client.METHOD_NOT_ALLOWED:
                    return
            time.sleep(0.1)
        raise NotStarted(f"The Gateway did not come up:\n{self.read_log()[-3000:]}")

    def read_log(self) -> str:
        """Return what it has logged."""
        return self.log_path.read_text(encoding="utf-8", errors="replace") if self.log_path.exists() else ""

    def stop(self) -> None:
        """Stop it in order, and by force where it does not obey."""
        if self._process is None or self._process.poll() is not None:
            return
        self._process.terminate()
        try:
            self._process.wait(STOP_PATIENCE_SECONDS)
        except subprocess.TimeoutExpired:
            self.kill()

    def kill(self) -> None:
        """Kill it, as a power switch would."""
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def _ask(self, path: str) -> int:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=5)
        with contextlib.closing(connection):
            connection.request("GET", path)
            return connection.getresponse().status
