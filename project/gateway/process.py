"""Child processes that serve routes: a Gateway, in folders of its own, and this server beside one."""

from __future__ import annotations

import abc
import contextlib
import http.client
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar, Final

from project.gateway.installation import Installation

START_PATIENCE_SECONDS: Final = 240.0
STOP_PATIENCE_SECONDS: Final = 15.0


class NotStarted(Exception):
    """A process ended or did not answer in time; the message has the end of its log."""


class ServingProcess(abc.ABC):
    """A child process that serves routes on ``port``, and runs and logs in ``folder``."""

    name: ClassVar[str]
    folder: Path
    port: int
    _process: subprocess.Popen[bytes] | None

    @abc.abstractmethod
    def build_command(self) -> list[str | Path]:
        """Return the program and its arguments."""

    @abc.abstractmethod
    def build_environ(self) -> dict[str, str]:
        """Return its whole environment."""

    @property
    @abc.abstractmethod
    def log_path(self) -> Path:
        """Where it logs."""

    @property
    @abc.abstractmethod
    def working_folder(self) -> Path:
        """Where it runs."""

    @property
    def process(self) -> subprocess.Popen[bytes]:
        """The started process."""
        assert self._process is not None  # noqa: S101 - a mistake of the caller
        return self._process

    def start(self) -> None:
        """Start it; a Gateway takes some ten seconds until it answers."""
        self.folder.mkdir(parents=True, exist_ok=True)
        with self.log_path.open("ab") as log:
            self._process = subprocess.Popen(  # noqa: S603 - the programs that are named below
                self.build_command(),
                cwd=self.working_folder,
                env=self.build_environ(),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,  # Ctrl-C reaches this process alone, which then stops the others in order.
            )

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
        raise NotStarted(f"{self.name} did not come up:\n{self.read_log()[-3000:]}")

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


@dataclass
class GatewayProcess(ServingProcess):
    """A Gateway whose home and state are in ``folder``; its log is ``folder/gateway.log``.

    Attributes:
        config_path: Its configuration file.
        environ: Variables in addition to the few that it needs.
    """

    name = "The Gateway"

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
    def working_folder(self) -> Path:
        """Where it runs: at home."""
        return self.folder

    def build_command(self) -> list[str | Path]:
        """Return what runs it in the foreground."""
        return [self.installation.node, self.installation.entry, "gateway", "run", "--port", str(self.port)]

    def build_environ(self) -> dict[str, str]:
        """Return its environment; also what ``openclaw`` commands need that are to act on this Gateway."""
        return {
            "PATH": os.environ.get("PATH", os.defpath),
            "HOME": str(self.folder),
            "OPENCLAW_STATE_DIR": str(self.folder),
            "OPENCLAW_CONFIG_PATH": str(self.config_path),
            **self.environ,
        }


@dataclass
class AppProcess(ServingProcess):
    """This server, whose data is in ``folder``; its log is ``folder/app.log``.

    Attributes:
        checkout: Where its code is.
        environ: Variables in addition to the few that it needs.
    """

    name = "The server"

    folder: Path
    checkout: Path
    port: int
    environ: Mapping[str, str] = field(default_factory=dict)
    _process: subprocess.Popen[bytes] | None = None

    @property
    def log_path(self) -> Path:
        """Where it logs."""
        return self.folder / "app.log"

    @property
    def working_folder(self) -> Path:
        """Where it runs: where its code is."""
        return self.checkout

    def build_command(self) -> list[str | Path]:
        """Return what ``make serve`` runs."""
        return [sys.executable, "-m", "project.serve"]

    def build_environ(self) -> dict[str, str]:
        """Return its environment."""
        return {
            "PATH": os.environ.get("PATH", os.defpath),
            "HOME": str(self.folder),
            **self.environ,
            "OPENCLAW_WEBHOOKS_BIND": f"127.0.0.1:{self.port}",
            "OPENCLAW_WEBHOOKS_DATA_DIR": str(self.folder),
        }
