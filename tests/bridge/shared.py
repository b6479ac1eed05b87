"""One Gateway with the bridge for all pytest workers of a run, which the first that needs it starts.

A process between runs it, ``python -m tests.bridge.shared FOLDER``, for as long as a worker holds a lock on
``FOLDER/users``. A lock ends with the process that holds it, whatever that dies of: so the last user stops the Gateway,
and a crash of all of them does. A test that stops or configures a Gateway starts one of its own.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import pathlib
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from typing import Final, NamedTuple

import pytest

from openclaw_webhooks.engines.bridge import BridgeEngine
from tests.bridge.gateways import build_engine, find_installation, running_bridge

_USERS: Final = 16
_KEYS_EACH: Final = 1000
_FOLDER = pathlib.Path(__file__).resolve().parent

# What a user started may outlive it, for another user.
_started: list[subprocess.Popen[str]] = []


class SharedBridge(NamedTuple):
    """A running bridge, and keys of sessions that no other worker uses."""

    url: str
    session_keys: list[str]

    def engine(self) -> BridgeEngine:
        """Return an engine with connections of its own."""
        return build_engine(self.url)


def find_shared_folder(tmp_path_factory: pytest.TempPathFactory, name: str) -> pathlib.Path:
    """Return a folder that the workers of this run have in common, and no other run."""
    own = tmp_path_factory.getbasetemp()
    return (own.parent if "PYTEST_XDIST_WORKER" in os.environ else own) / name


@contextlib.contextmanager
def shared_bridge(folder: pathlib.Path) -> Iterator[SharedBridge]:
    """Use the Gateway of a folder until the block ends."""
    find_installation()
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    with (folder / "users").open("a") as users:
        with (folder / "joining").open("a") as joining:
            fcntl.flock(joining, fcntl.LOCK_EX)
            fcntl.flock(users, fcntl.LOCK_SH)  # waits for a Gateway that is just being stopped
            state_path = folder / "state.json"
            state = json.loads(state_path.read_text()) if state_path.exists() else {"url": _start(folder), "users": 0}
            number = state["users"]
            assert number < _USERS, f"{number} workers have taken all session keys: raise _USERS in {__file__}"
            state_path.write_text(json.dumps({**state, "users": number + 1}))
        yield SharedBridge(state["url"], _session_keys()[number * _KEYS_EACH :][:_KEYS_EACH])


def _start(folder: pathlib.Path) -> str:
    """Start a Gateway that runs until nobody has ``users`` locked, and return where its bridge listens."""
    log_path = folder / "shared.log"
    with log_path.open("a") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "tests.bridge.shared", str(folder)],
            cwd=_FOLDER.parent.parent,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
            start_new_session=True,  # Ctrl-C reaches its users, and it by them
        )
    _started.append(process)
    assert process.stdout is not None
    with process.stdout:
        url = process.stdout.readline().strip()
    assert url, f"the Gateway did not come up:\n{log_path.read_text()[-3000:]}"
    return url


def _run(folder: pathlib.Path) -> None:
    own = pathlib.Path(tempfile.mkdtemp(dir=folder))
    config = {"sessionKeys": _session_keys()}
    with (folder / "users").open("a") as users, running_bridge(own / "it", plugin_config=config) as bridge:
        sys.stdout.write(f"{bridge.url}\n")
        sys.stdout.close()
        fcntl.flock(users, fcntl.LOCK_EX)
        (folder / "state.json").unlink(missing_ok=True)


def _session_keys() -> list[str]:
    return [f"agent:tester:gateway-{number}" for number in range(_USERS * _KEYS_EACH)]


if __name__ == "__main__":
    _run(pathlib.Path(sys.argv[1]))
