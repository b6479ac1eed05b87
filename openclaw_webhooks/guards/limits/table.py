"""The table of keys in shared memory: its layout, look-up, and how a new key finds room. Owns no file and no lock.

Everything is a 64-bit word, and every change that another process may rely on is one store of one aligned word, so a
process that is killed anywhere leaves words that are old or new and never torn. The parts::

    header | epoch of each holder | heads of the hash chains | rows
    row:  key (2 words) | next row of the chain | window | in-flight slots
    slot: 0 when free, else  expiry in milliseconds << 20 | owner;  owner: holder << 11 | epoch

A row is linked into its chain by the last write of its making, and taken out by the first of its end: one that a death
left in between is in no chain, holds no slot, and is the next to be forgotten when its window is the oldest. Keys alone
are primary: chains that hold garbage are threaded again from them. Whoever calls holds the lock of the table.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Final, NamedTuple

from openclaw_webhooks.guards.limits.base import LimitStats
from openclaw_webhooks.guards.limits.windows import COUNT_BITS, Rules, is_running

WORD_BYTES: Final = 8
MAGIC: Final = int.from_bytes(b"OCWHLIM1", "little")
"""Name and version of this layout: with every change of it raise the digit, and lengthen the header by a word, as
processes of two versions tell each other's tables by their size."""

HOLDERS: Final = 512
"""How many processes can share a table."""
OWNER_BITS: Final = 20
EPOCH_BITS: Final = 11
EPOCH_MASK: Final = (1 << EPOCH_BITS) - 1
OWNER_MASK: Final = (1 << OWNER_BITS) - 1

_MAGIC_AT, _KEYS_AT, _SLOTS_AT, _USED_AT, _EVICTIONS_AT, _REFUSED_AT, _OUTLIVED_AT = range(7)
_HEADER_WORDS: Final = 16
_EPOCHS_AT: Final = _HEADER_WORDS
_HEADS_AT: Final = _EPOCHS_AT + HOLDERS

# Offsets inside a row.
_LOW, _HIGH, _NEXT, _WINDOW, _FIRST_SLOT = range(5)


class KeyDigest(NamedTuple):
    """A key as the table knows it: 128 bits of hashes, in two words; the high one is its path's."""

    low: int
    high: int


def table_bytes(rules: Rules) -> int:
    """Return the size of a table in bytes."""
    return WORD_BYTES * (_rows_at(rules) + rules.tracked_keys * _row_words(rules))


def _heads(rules: Rules) -> int:
    return 2 * rules.tracked_keys


def _rows_at(rules: Rules) -> int:
    return _HEADS_AT + _heads(rules)


def _row_words(rules: Rules) -> int:
    return _FIRST_SLOT + rules.in_flight


class KeyTable:
    """Rows of keys over a buffer of ``table_bytes``; a row is known by the number of its first word, 0 is none."""

    def __init__(self, words: memoryview, rules: Rules, is_owner_alive: Callable[[int], bool]) -> None:
        """Look at ``words``, cast to ``Q``. ``is_owner_alive`` tells whether the owner of a slot still runs."""
        self.words = words
        self._rules = rules
        self._is_owner_alive = is_owner_alive
        self._heads = _heads(rules)
        self._row_words = _row_words(rules)
        self._rows = range(_rows_at(rules), _rows_at(rules) + rules.tracked_keys * self._row_words, self._row_words)
        self._steps = range(rules.tracked_keys + 1)  # No chain is longer: every row, and its end.
        self._by_age: list[tuple[int, int]] = []

    def format(self) -> None:
        """Make a zeroed buffer an empty table; the magic comes last, so that half a header is none."""
        self.words[_KEYS_AT] = self._rules.tracked_keys
        self.words[_SLOTS_AT] = self._rules.in_flight
        self.words[_USED_AT] = self._rows.start
        self.words[_MAGIC_AT] = MAGIC

    def is_readable(self) -> bool:
        """Tell whether the buffer holds a table of this layout and these sizes."""
        shape = (self._rules.tracked_keys, self._rules.in_flight)
        is_ours = self.words[_MAGIC_AT] == MAGIC and (self.words[_KEYS_AT], self.words[_SLOTS_AT]) == shape
        used = self.words[_USED_AT]
        return is_ours and (used in self._rows or used == self._rows.stop)

    def next_epoch(self, holder: int) -> int:
        """Begin a new life of a holder's place and return its owner number: slots of earlier lives are nobody's."""
        epoch = (self.words[_EPOCHS_AT + holder] + 1) & EPOCH_MASK
        self.words[_EPOCHS_AT + holder] = epoch
        return holder << EPOCH_BITS | epoch

    def is_current(self, owner: int) -> bool:
        """Tell whether nobody has taken the owner's place since."""
        return self.words[_EPOCHS_AT + (owner >> EPOCH_BITS)] == owner & EPOCH_MASK

    def find(self, key: KeyDigest) -> int:
        """Return the row of a key, or 0."""
        try:
            return self._walk(key)
        except IndexError:
            self._rebuild()
            return self._walk(key)

    def add(self, key: KeyDigest, *, now_ms: int) -> int:
        """Give a key that is not in the table a row, forgetting the oldest window without slots where it must.

        Returns:
            The row, with an empty window that begins now; or 0 where every row has slots in flight, which is counted.
        """
        row = self._unused_row() or self._oldest_row(now_ms)
        if row:
            self._link(row, key, window=now_ms << COUNT_BITS)
        else:
            self.words[_REFUSED_AT] += 1
        return row

    def window(self, row: int) -> int:
        """Return the window of a row."""
        return self.words[row + _WINDOW]

    def set_window(self, row: int, window: int) -> None:
        """Replace the window of a row."""
        self.words[row + _WINDOW] = window

    def free_slot(self, row: int, *, in_flight: int, now_ms: int) -> int:
        """Return the word of a free one of the row's first ``in_flight`` slots, or 0.

        Only once all are taken those are looked for that nobody holds.
        """
        words = self.words
        first = row + _FIRST_SLOT
        slots = range(first, first + in_flight)
        for slot in slots:
            if not words[slot]:
                return slot
        return self._reclaim(slots, now_ms)

    def count_outlived(self) -> None:
        """Count a lease whose holder lives and did not renew it in time."""
        self.words[_OUTLIVED_AT] += 1

    def stats(self, *, now_ms: int) -> LimitStats:
        """Count what is tracked; takes milliseconds."""
        tracked, by_path = 0, Counter[bytes]()
        for row in self._rows_in_use():
            live = sum(self._is_live(self.words[slot], now_ms) for slot in self._slots(row))
            if live:
                by_path[self.words[row + _HIGH].to_bytes(WORD_BYTES, "little")] += live
            tracked += live > 0 or self._is_running(row, now_ms)
        return LimitStats(
            tracked_keys=tracked,
            in_flight=by_path.total(),
            in_flight_by_path=by_path,
            evictions=self.words[_EVICTIONS_AT],
            refused_for_room=self.words[_REFUSED_AT],
            outlived_leases=self.words[_OUTLIVED_AT],
        )

    def _walk(self, key: KeyDigest) -> int:
        low, high = key
        words = self.words
        row = words[_HEADS_AT + low % self._heads]
        for _ in self._steps:
            if not row or (words[row] == low and words[row + _HIGH] == high):
                return row
            row = words[row + _NEXT]
        raise IndexError("The chain does not end.")

    def _rebuild(self) -> None:
        """Thread the chains again from the keys."""
        for head in range(_HEADS_AT, _HEADS_AT + self._heads):
            self.words[head] = 0
        for row in self._rows_in_use():
            if self.words[row + _LOW] or self.words[row + _HIGH]:
                self._chain(row)

    def _link(self, row: int, key: KeyDigest, *, window: int) -> None:
        try:
            self._unchain(row)
        except IndexError:
            self._rebuild()
            self._unchain(row)
        for word in range(row, row + self._row_words):
            self.words[word] = 0
        self.words[row + _LOW], self.words[row + _HIGH] = key
        self.words[row + _WINDOW] = window
        self.words[_USED_AT] = max(self.words[_USED_AT], row + self._row_words)
        self._chain(row)

    def _chain(self, row: int) -> None:
        head = _HEADS_AT + self.words[row + _LOW] % self._heads
        self.words[row + _NEXT] = self.words[head]
        self.words[head] = row

    def _unchain(self, row: int) -> None:
        link = _HEADS_AT + self.words[row + _LOW] % self._heads
        for _ in self._steps:
            if self.words[link] == row:
                self.words[link] = self.words[row + _NEXT]
            if not self.words[link]:
                return
            link = self.words[link] + _NEXT

    def _unused_row(self) -> int:
        used = self.words[_USED_AT]
        return used if used in self._rows else 0

    def _oldest_row(self, now_ms: int) -> int:
        """Return the row with the oldest window and no live slot; 0 where all have one."""
        row = self._next_by_age(now_ms)
        if not row:
            # One scan (a millisecond) serves up to 4,096 evictions: a caller who changes addresses all the time
            # must not buy a scan with each request.
            self._by_age = sorted((self._start(row), row) for row in self._rows)
            row = self._next_by_age(now_ms)
        if row:
            self.words[_EVICTIONS_AT] += self._is_running(row, now_ms)
            self._reclaim(self._slots(row), now_ms)
        return row

    def _next_by_age(self, now_ms: int) -> int:
        """Take the oldest row that is idle and still as it was when rows were sorted; one in use keeps its place.

        Windows only ever begin later, so a row that has changed since is younger than all that have not.
        """
        for position, (start, row) in enumerate(self._by_age):
            if self._start(row) == start and self._is_idle(row, now_ms):
                in_use = [(began, other) for began, other in self._by_age[:position] if self._start(other) == began]
                self._by_age[: position + 1] = in_use
                return row
        return 0

    def _reclaim(self, slots: range, now_ms: int) -> int:
        """Free what nobody holds any more, and return one free slot or 0."""
        free = 0
        for slot in slots:
            word = self.words[slot]
            if not self._is_live(word, now_ms):
                if word and self._is_owner_alive(word & OWNER_MASK):
                    self.count_outlived()
                self.words[slot] = 0
                free = free or slot
        return free

    def _is_live(self, slot_word: int, now_ms: int) -> bool:
        return slot_word >> OWNER_BITS > now_ms and self._is_owner_alive(slot_word & OWNER_MASK)

    def _is_idle(self, row: int, now_ms: int) -> bool:
        return not any(self._is_live(self.words[slot], now_ms) for slot in self._slots(row))

    def _is_running(self, row: int, now_ms: int) -> bool:
        return is_running(self.words[row + _WINDOW], now_ms=now_ms, window_ms=self._rules.window_ms)

    def _start(self, row: int) -> int:
        return self.words[row + _WINDOW] >> COUNT_BITS

    def _slots(self, row: int) -> range:
        return range(row + _FIRST_SLOT, row + self._row_words)

    def _rows_in_use(self) -> range:
        return range(self._rows.start, min(self.words[_USED_AT], self._rows.stop), self._row_words)
