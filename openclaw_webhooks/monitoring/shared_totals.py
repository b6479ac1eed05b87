"""The totals of all processes of a deployment on one machine, in a folder in memory: one small file per process.

A process writes its own file and locks a second one for as long as it lives; so the kernel tells who died, however it
did. Whoever adds up puts the dead ones' numbers into one file, so that counters never fall when a worker is replaced.
A worker that was killed takes along what it had counted and not yet written: half a second at most.
"""

from __future__ import annotations

import fcntl
import json
import os
import secrets
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from openclaw_webhooks.monitoring.totals import Totals

_MEMORY_FOLDER: Final = Path("/dev/shm")  # noqa: S108 - the folder's owner is checked
_RETIRED: Final = "retired"


@dataclass(slots=True)
class Sum:
    """What all processes have counted. Gauges are sums over those that live."""

    totals: Totals = field(default_factory=Totals)
    gauges: dict[str, int] = field(default_factory=dict)
    processes: int = 0


class SharedTotals:
    """This process's part of the folder. Not for use by several threads at once.

    Raises:
        OSError: In every method, where the folder is not this user's or cannot be written.
    """

    def __init__(self, folder: Path) -> None:
        """Touch nothing yet."""
        self._folder = folder
        self._id = f"{os.getpid()}-{secrets.token_hex(4)}"
        self._life_fd = -1
        self._written = ""

    @classmethod
    def of_deployment(cls, name: str) -> SharedTotals:
        """Use a folder of this user and this name, in memory where the machine has room for that."""
        parent = _MEMORY_FOLDER if _MEMORY_FOLDER.is_dir() else Path(tempfile.gettempdir())
        return cls(parent / f"openclaw-webhooks-metrics-{os.getuid()}-{name}")

    def write(self, totals: Totals, gauges: Mapping[str, int]) -> None:
        """Tell the others how this process stands; costs nothing where that has not changed."""
        text = json.dumps({"totals": totals.dump(), "gauges": dict(gauges)})
        if text != self._written:
            self._live()
            self._replace(self._id, text)
            self._written = text

    def add_up(self) -> Sum:
        """Add up all processes, and put those that died together."""
        self._open_folder()
        total = Sum()
        with self._alone():
            retired, done = self._load_retired()
            dead = []
            for path in self._folder.glob("*.json"):
                if path.stem == _RETIRED or path.stem in done:
                    continue
                state = json.loads(path.read_text())
                totals = Totals.load(state["totals"])
                if self._lives(path):
                    _add_living(total, totals, state["gauges"])
                else:
                    retired.add(totals)
                    dead.append(path.stem)
            self._retire(retired, [*done, *dead])
        total.totals.add(retired)
        return total

    def close(self) -> None:
        """Be dead to the others: they go on counting what this process has written."""
        if self._life_fd >= 0:
            os.close(self._life_fd)
            self._life_fd = -1

    def _live(self) -> None:
        if self._life_fd < 0:
            self._open_folder()
            self._life_fd = os.open(self._folder / f"{self._id}.life", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            fcntl.flock(self._life_fd, fcntl.LOCK_EX)

    def _open_folder(self) -> None:
        self._folder.mkdir(mode=0o700, exist_ok=True)
        status = self._folder.lstat()
        if status.st_uid != os.getuid() or self._folder.is_symlink():
            raise PermissionError(f"{self._folder} is not this user's own folder")

    def _lives(self, path: Path) -> bool:
        try:
            fd = os.open(path.with_suffix(".life"), os.O_RDWR | os.O_CLOEXEC)
        except FileNotFoundError:
            return False
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        finally:
            os.close(fd)
        return False

    @contextmanager
    def _alone(self) -> Iterator[None]:
        fd = os.open(self._folder / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX)
            yield
        finally:
            os.close(fd)

    def _load_retired(self) -> tuple[Totals, list[str]]:
        """Return the numbers of the dead, and whose files are among them and may not have been removed yet."""
        try:
            state = json.loads((self._folder / f"{_RETIRED}.json").read_text())
        except FileNotFoundError:
            return Totals(), []
        return Totals.load(state["totals"]), state["ids"]

    def _retire(self, retired: Totals, ids: list[str]) -> None:
        """Write the numbers and whose they are before the files go: a crash between counts nobody twice."""
        if not ids:
            return
        self._replace(_RETIRED, json.dumps({"totals": retired.dump(), "ids": ids}))
        for name in ids:
            for suffix in (".json", ".life"):
                (self._folder / f"{name}{suffix}").unlink(missing_ok=True)
        self._replace(_RETIRED, json.dumps({"totals": retired.dump(), "ids": []}))

    def _replace(self, name: str, text: str) -> None:
        """Write a file so that a reader sees all of it or what was there before."""
        path, scratch = self._folder / f"{name}.json", self._folder / f"{name}.{self._id}.new"
        try:
            scratch.write_text(text)
            scratch.replace(path)
        except OSError:
            with suppress(OSError):
                scratch.unlink()
            raise


def _add_living(total: Sum, totals: Totals, gauges: Mapping[str, int]) -> None:
    total.processes += 1
    total.totals.add(totals)
    for name, number in gauges.items():
        total.gauges[name] = total.gauges.get(name, 0) + number
