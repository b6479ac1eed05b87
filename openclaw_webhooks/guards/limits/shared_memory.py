"""The limits of one machine: every process that opens the same file counts in it, exactly.

A request costs one look at the table under a lock (``admit``), of a few microseconds; its slot is given back without
one. The kernel tells which processes live, so the slots of a killed one are free at the next request that needs one.
Slots of a live process are leases: one that is neither released nor renewed (its ``Lease`` was lost, its request hangs)
ends after ``lease_seconds`` and is counted as outlived; the request itself goes on.

Source: contract.md section 3 ("The limits hold ..."); performance.md ("Limits").
"""

from __future__ import annotations

import logging
import math
import os
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import Final, Self, TypeVar

from openclaw_webhooks.exceptions import LimitStoreUnavailable
from openclaw_webhooks.guards.limits.base import (
    DEFAULT_LIMITS,
    Admission,
    Lease,
    LimitKey,
    Limits,
    LimitStats,
    Verdict,
)
from openclaw_webhooks.guards.limits.keys import hash_key
from openclaw_webhooks.guards.limits.table import OWNER_BITS, KeyDigest
from openclaw_webhooks.guards.limits.table_file import TABLE_FILES, TableFile
from openclaw_webhooks.guards.limits.windows import TRY_SOON, RuleBook, Rules, count_request, milliseconds_of

__all__ = ["SharedMemoryStore"]

Judgement = TypeVar("Judgement")

logger = logging.getLogger(__name__)

_MEMORY_FOLDER: Final = Path("/dev/shm")  # noqa: S108 - the file's owner and mode are checked
_LOOK_EVERY_SECONDS: Final = 1.0
_WARN_EVERY_SECONDS: Final = 60.0
_TABLE_LEFT: Final = ValueError
"""What a look at a table raises whose memory was released."""


class SharedMemoryStore:
    """Counts in a table of fixed size in a file, best in ``/dev/shm``; nothing is opened before the first request.

    Safe for threads and forks. Processes that share ``path`` must use the same ``limits``; the table is replaced where
    ``tracked_keys`` or the most slots of any path differ.
    """

    scope = "this machine"
    blocking = False

    def __init__(
        self, *, path: str, limits: Limits = DEFAULT_LIMITS, clock: Callable[[], float] = time.monotonic
    ) -> None:
        """Prepare to count in the file at ``path``.

        Args:
            path: Of a file in an existing folder; made with mode 0600, refused where it is another user's.
            limits: What is allowed.
            clock: Seconds, the same and never going back in every process of the machine.

        Raises:
            ValueError: ``limits`` cannot be counted.
        """
        self._path = path
        book = RuleBook.of(limits)
        self._usual, self._of_paths, self._largest = book.usual, book.of_paths, book.largest
        self._clock = clock
        self._file: TableFile | None = None
        self._closed = False
        self.failures = 0
        self._warn_at = -math.inf

    @classmethod
    def of_deployment(cls, name: str, limits: Limits = DEFAULT_LIMITS) -> Self:
        """Count in a file of this user and this name, in memory where the machine has a folder for that."""
        folder = _MEMORY_FOLDER if _MEMORY_FOLDER.is_dir() else Path(tempfile.gettempdir())
        return cls(path=str(folder / f"openclaw-webhooks-{os.getuid()}-{name}"), limits=limits)

    def hit(self, key: LimitKey) -> Verdict:
        """Count one request against the key's window, unless it is full or no key can be forgotten for this one."""
        return self._look(key, _count)

    def acquire(self, key: LimitKey) -> Lease | Verdict:
        """Take one of the key's slots for ``lease_seconds``."""
        return self._look(key, self._take)

    def admit(self, key: LimitKey) -> Admission:
        """Do both in one look: a third less work."""
        return self._look(key, self._admit)

    def _look(self, key: LimitKey, judge: Callable[[TableFile, int, Rules, int], Judgement]) -> Judgement:
        """Have the row of a key judged, which is 0 where no key can be forgotten for this one, under the lock."""
        digest, rules = digest_of(key), self._of_paths.get(key.path, self._usual)
        try:
            file = self._attached()
            with file.mutex:
                # Read inside the lock: no window that this process sees can have begun later.
                now_ms = milliseconds_of(self._clock)
                row = file.table.find(digest) or file.table.add(digest, now_ms=now_ms)
                return judge(file, row, rules, now_ms)
        except LimitStoreUnavailable as error:
            self._note_failure(error)
            raise

    def _take(self, file: TableFile, row: int, rules: Rules, now_ms: int) -> Lease | Verdict:
        slot = row and file.table.free_slot(row, in_flight=rules.in_flight, now_ms=now_ms)
        if not slot:
            return TRY_SOON
        lease = SharedLease(file, slot, self._clock, rules.lease_ms)
        lease.hold(now_ms)
        return lease

    def _admit(self, file: TableFile, row: int, rules: Rules, now_ms: int) -> Admission:
        verdict = _count(file, row, rules, now_ms)
        return Admission(verdict, self._take(file, row, rules, now_ms) if verdict.allowed else None)

    def stats(self) -> LimitStats:
        """Count what all processes of the machine track; takes milliseconds."""
        file = self._attached()
        with file.mutex:
            return replace(file.table.stats(now_ms=milliseconds_of(self._clock)), failures=self.failures)

    def close(self) -> None:
        """Give back what this process holds; the last process removes the file. The store cannot be used again."""
        self._closed = True
        if self._file is not None:
            TABLE_FILES.detach(self._file)
            self._file = None

    def _note_failure(self, error: LimitStoreUnavailable) -> None:
        """Count a request that could not be counted, and tell the log once a minute."""
        self.failures += 1
        now = self._clock()
        if now >= self._warn_at:
            self._warn_at = now + _WARN_EVERY_SECONDS
            logger.error("The request limits cannot be counted: %s", error)

    def _attached(self) -> TableFile:
        file = self._file
        if file is None or file.closed:
            return self._attach()
        now = self._clock()
        if now >= file.look_again_at:
            file.look_again_at = now + _LOOK_EVERY_SECONDS
            if file.is_abandoned():
                TABLE_FILES.abandon(file)
                return self._attach()
        return file

    def _attach(self) -> TableFile:
        if self._closed:
            raise LimitStoreUnavailable("The limit store is closed.")
        self._file = file = TABLE_FILES.attach(self._path, self._largest)
        return file


class SharedLease:
    """One slot in the table, marked with its holder and the end of its lease. For one request, used by one thread.

    While a lease runs nobody but its holder writes its word, so that ``renew`` and ``release`` need no lock; in the
    second half of its time they take it, as it might end between two instructions.
    """

    __slots__ = ("_clock", "_file", "_lease_ms", "_slot", "_word")

    def __init__(self, file: TableFile, slot: int, clock: Callable[[], float], lease_ms: int) -> None:
        """Describe a free slot; ``hold`` takes it."""
        self._file = file
        self._slot = slot
        self._clock = clock
        self._lease_ms = lease_ms
        self._word = 0

    def hold(self, now_ms: int) -> None:
        """Take the slot, from now for a lease time; the caller holds the mutex or the slot."""
        self._word = now_ms + self._lease_ms << OWNER_BITS | self._file.owner
        self._file.table.words[self._slot] = self._word

    def renew(self) -> None:
        """Hold on for another lease time from now; does nothing once the slot was lost or released.

        Nor while most of its time is left: a request that takes milliseconds renews twice.
        """
        if self._word and (self._word >> OWNER_BITS) - milliseconds_of(self._clock) < self._lease_ms * 3 // 4:
            self._rewrite(self.hold)

    def release(self) -> None:
        """Give the slot back; a second call does nothing."""
        if self._word:
            self._rewrite(self._free)
            self._word = 0

    def _free(self, now_ms: int) -> None:
        table = self._file.table
        table.words[self._slot] = 0
        if self._word >> OWNER_BITS <= now_ms:
            table.count_outlived()

    def _rewrite(self, write: Callable[[int], None]) -> None:
        """Write the slot's word if it is still this lease's.

        A table that cannot be locked, or was left meanwhile, is no fault of the request: the lease ends by itself.
        """
        now_ms = milliseconds_of(self._clock)
        with suppress(LimitStoreUnavailable, _TABLE_LEFT):
            if (self._word >> OWNER_BITS) - now_ms > self._lease_ms // 2:
                write(now_ms)
                return
            with self._file.mutex:
                if self._file.table.words[self._slot] == self._word:
                    write(now_ms)


def _count(file: TableFile, row: int, rules: Rules, now_ms: int) -> Verdict:
    if not row:
        return TRY_SOON
    window, verdict = count_request(file.table.window(row), now_ms=now_ms, rules=rules)
    file.table.set_window(row, window)
    return verdict


@lru_cache(maxsize=1024)
def digest_of(key: LimitKey) -> KeyDigest:
    """Return the hash of a key as the two words of a row."""
    digest = hash_key(key)
    return KeyDigest(int.from_bytes(digest[:8], "little"), int.from_bytes(digest[8:], "little"))
