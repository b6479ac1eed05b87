"""The file that holds the table: opened safely, shared with other processes, removed by the last one.

Byte 0 is locked around every look at the table; byte ``1 + holder`` for as long as a process shares it, so that the
kernel itself tells when it died. As such locks vanish when any descriptor of the file is closed, a process opens it
once, after a fork (``TABLE_FILES.attach``), and whatever a fork inherited is closed before.

Must not know what the table means.
"""

from __future__ import annotations

import errno
import mmap
import os
import stat
import threading
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Final

from openclaw_webhooks.exceptions import LimitStoreUnavailable
from openclaw_webhooks.guards.limits.file_lock import FileMutex, is_free, try_lock
from openclaw_webhooks.guards.limits.table import EPOCH_BITS, HOLDERS, KeyTable, table_bytes
from openclaw_webhooks.guards.limits.windows import Rules

_FILE_MODE: Final = 0o600
_OPEN_FLAGS: Final = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_FIRST_HOLDER_BYTE: Final = 1
_NOBODY: Final = -1
_ATTEMPTS: Final = 100


class TableFile:
    """This process's part in a table that processes share: the open file, its mapping, and its place among holders.

    Attributes:
        table: The table; to be looked at only under ``mutex``, and never once ``closed``.
        owner: What slots of this process are marked with.
        references: How many stores of this process share it.
        look_again_at: When, on the store's clock, to see whether the file still has its name.
    """

    table: KeyTable

    def __init__(self, path: str, rules: Rules) -> None:
        """Open or create the file at ``path``; ``join`` makes it usable."""
        self.path = path
        self.rules = rules
        self.owner = _NOBODY
        self.references = 0
        self.look_again_at = 0.0
        self.closed = False
        self._map: mmap.mmap | None = None
        self._fd = os.open(path, _OPEN_FLAGS, _FILE_MODE)
        self.mutex = FileMutex(self._fd)

    def join(self) -> bool:
        """Map the table, making an empty one of a new file, and take a place among its holders.

        Returns:
            False where the file lost its name while it was opened, or is not what this version expects and was
            removed: open it again.

        Raises:
            LimitStoreUnavailable: The file is another user's, or all places are taken.
            OSError: The file cannot be used.
        """
        self._refuse_foreign()
        with self.mutex:
            if not self._is_named():
                return False
            if not self._map_table():
                Path(self.path).unlink()
                return False
            self.owner = self._take_place()
            return True

    def is_alive(self, owner: int) -> bool:
        """Tell whether the process that goes by ``owner`` still holds its place; the caller holds ``mutex``."""
        holder = owner >> EPOCH_BITS
        if holder == self.owner >> EPOCH_BITS or not self.table.is_current(owner):
            return owner == self.owner
        return not is_free(self._fd, _FIRST_HOLDER_BYTE + holder)

    def is_abandoned(self) -> bool:
        """Tell whether the file lost its name, to none or to a table that this process can join.

        One of another size belongs to another version or to other limits, and is not fought over: whoever shares
        this one goes on with it until it ends.
        """
        try:
            if os.fstat(self._fd).st_nlink:
                return False
            return Path(self.path).lstat().st_size in (0, table_bytes(self.rules))
        except OSError:
            return True  # No such name; or another thread saw the same and closed the file.

    def leave(self) -> None:
        """Let go of the file, and remove it where no other process shares it. Never raises."""
        with suppress(LimitStoreUnavailable), self.mutex:
            # A file that cannot be removed stays and troubles nobody: the next start uses or replaces it.
            with suppress(OSError):
                if self._is_alone() and self._is_named():
                    Path(self.path).unlink()
            self.let_go()
        self.let_go()

    def let_go(self) -> None:
        """Unmap and close, which frees this process's place and slots; a second call does nothing.

        The mapping has a descriptor of its own: were that closed later, by the garbage collector, the locks of a table
        opened meanwhile would go with it.
        """
        if self.closed:
            return
        self.closed = True
        self.mutex.fd = -1
        if self._map is not None:
            self.table.words.release()
            self._map.close()
        os.close(self._fd)

    def _refuse_foreign(self) -> None:
        status = os.fstat(self._fd)
        if not stat.S_ISREG(status.st_mode) or status.st_uid != os.geteuid():
            raise LimitStoreUnavailable("The limit table is no regular file of this user.")

    def _is_named(self) -> bool:
        try:
            named = Path(self.path).lstat()
        except FileNotFoundError:
            return False
        return os.path.samestat(named, os.fstat(self._fd))

    def _map_table(self) -> bool:
        """Map the file; False where it is not a table of this layout and these sizes, readable by its owner alone."""
        status = os.fstat(self._fd)
        size_bytes = table_bytes(self.rules)
        if status.st_size not in (0, size_bytes) or stat.S_IMODE(status.st_mode) & 0o077:
            return False
        if status.st_size == 0:
            self._allocate(size_bytes)
        self._map = mmap.mmap(self._fd, size_bytes)
        self.table = KeyTable(memoryview(self._map).cast("Q"), self.rules, self.is_alive)
        if status.st_size == 0:
            self.table.format()
        return self.table.is_readable()

    def _allocate(self, size_bytes: int) -> None:
        """Write every byte now: a full disk is an error here, and a deadly signal once the file is mapped."""
        if os.pwrite(self._fd, bytes(size_bytes), 0) < size_bytes:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    def _take_place(self) -> int:
        for holder in range(HOLDERS):
            if try_lock(self._fd, _FIRST_HOLDER_BYTE + holder):
                return self.table.next_epoch(holder)
        raise LimitStoreUnavailable(f"More than {HOLDERS} processes share one limit table.")

    def _is_alone(self) -> bool:
        mine = self.owner >> EPOCH_BITS
        return is_free(self._fd, _FIRST_HOLDER_BYTE, mine) and is_free(
            self._fd, _FIRST_HOLDER_BYTE + mine + 1, HOLDERS - mine - 1
        )


class _TableFiles:
    """The table files of this process: each is opened once, however many stores share it."""

    def __init__(self) -> None:
        self._forget()

    def attach(self, path: str, rules: Rules) -> TableFile:
        """Return the open table at ``path``, opening it where this process has not yet.

        Raises:
            LimitStoreUnavailable: It cannot be opened, or this process uses it with other sizes.
        """
        folder, name = os.path.split(path)
        real_path = f"{os.path.realpath(folder)}/{name}"
        with self._lock:
            file = self._files.get(real_path) or _open(real_path, rules)
            if (file.rules.tracked_keys, file.rules.in_flight) != (rules.tracked_keys, rules.in_flight):
                raise LimitStoreUnavailable("This process already uses the limit table with other sizes.")
            self._files[real_path] = file
            file.references += 1
            return file

    def detach(self, file: TableFile) -> None:
        """Give back what ``attach`` returned; the last one leaves the table."""
        with self._lock:
            file.references -= 1
            if file.references == 0:
                self._drop(file)

    def abandon(self, file: TableFile) -> None:
        """Leave a table whatever shares it: every store attaches anew when it finds its file closed."""
        with self._lock:
            self._drop(file)

    def forget_inherited(self) -> None:
        """In a forked child: close the parent's files before one is opened again; the parent's locks stay its own."""
        inherited = list(self._files.values())
        self._forget()
        for file in inherited:
            file.let_go()

    def _forget(self) -> None:
        self._lock = threading.Lock()
        self._files: dict[str, TableFile] = {}

    def _drop(self, file: TableFile) -> None:
        if not file.closed:
            file.leave()
            del self._files[file.path]


TABLE_FILES: Final = _TableFiles()
os.register_at_fork(after_in_child=TABLE_FILES.forget_inherited)


def _open(path: str, rules: Rules) -> TableFile:
    """Open or make the file at ``path``; one that is not what this version expects is replaced.

    Processes that still use a replaced file count among themselves until they end.
    """
    try:
        for _ in range(_ATTEMPTS):
            with ExitStack() as stack:
                file = TableFile(path, rules)
                stack.callback(file.let_go)
                if file.join():
                    stack.pop_all()
                    return file
    except OSError as error:
        raise LimitStoreUnavailable(f"The limit table cannot be opened: {error}.") from error
    raise LimitStoreUnavailable("The limit table is replaced faster than it can be opened.")
