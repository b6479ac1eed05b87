"""The table alone: it survives a holder that dies between any two writes, and garbage in what can be rebuilt."""

from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from openclaw_webhooks.guards.limits.base import Limits
from openclaw_webhooks.guards.limits.table import HOLDERS, OWNER_BITS, WORD_BYTES, KeyDigest, KeyTable, table_bytes
from openclaw_webhooks.guards.limits.windows import COUNT_BITS, Rules

KEYS = 4
RULES = Rules.of(Limits(tracked_keys=KEYS, in_flight=2))
NOW_MS = 1_000_000
OWNER = 7
LIVE_SLOT = (NOW_MS + 30_000) << OWNER_BITS | OWNER
USED, HEADS, ROWS = 3, 16 + HOLDERS, 16 + HOLDERS + 2 * KEYS


class Died(Exception):
    """The process was killed before its next write."""


class MortalWords(list[int]):
    """Words whose writer dies after so many writes."""

    writes_left = 1_000_000

    def __setitem__(self, at: int, word: int) -> None:  # type: ignore[override]
        if self.writes_left == 0:
            raise Died
        self.writes_left -= 1
        super().__setitem__(at, word)


def digest(number: int) -> KeyDigest:
    """All in one chain, which is the hardest case."""
    return KeyDigest(low=8 * number, high=number + 1)


def new_table(words: MortalWords) -> KeyTable:
    return KeyTable(words, RULES, lambda owner: owner == OWNER)  # type: ignore[arg-type]


def empty_table() -> tuple[MortalWords, KeyTable]:
    words = MortalWords([0] * (table_bytes(RULES) // WORD_BYTES))
    table = new_table(words)
    table.format()
    return words, table


def add_with_slot(table: KeyTable, number: int) -> int:
    row = table.add(digest(number), now_ms=NOW_MS + number)
    table.words[table.free_slot(row, in_flight=2, now_ms=NOW_MS)] = LIVE_SLOT
    return row


def has_live_slots(words: MortalWords, row: int) -> bool:
    return LIVE_SLOT in words[row + 4 : row + 6]


def die_after(words: MortalWords, writes: int, numbers: list[int]) -> bool:
    """Add keys until the writer dies; False where it lived to the end."""
    words.writes_left = writes
    try:
        for number in numbers:
            new_table(words).add(digest(number), now_ms=NOW_MS + number)
    except Died:
        return True
    finally:
        words.writes_left = 1_000_000
    return False


@pytest.mark.parametrize("in_flight", [0, 1, 2], ids="slots of {} keys".format)
def test_a_death_between_any_two_writes_loses_no_key_in_flight_and_no_room(in_flight: int) -> None:
    for writes in range(200):
        words, table = empty_table()
        for number in range(in_flight):
            add_with_slot(table, number)
        if not die_after(words, writes, list(range(10, 20))):
            assert writes > 10
            break
        heir = new_table(words)
        added = {heir.add(digest(number), now_ms=NOW_MS + number) for number in range(30, 30 + KEYS - in_flight)}
        assert 0 not in added
        assert len(added) == KEYS - in_flight
        for number in range(in_flight):
            assert has_live_slots(words, heir.find(digest(number)))
        assert len({heir.find(digest(number)) for number in range(in_flight)} | added) == KEYS
    else:
        pytest.fail("The writer never lived to the end.")


def test_a_row_whose_writer_died_is_either_whole_or_unknown() -> None:
    for writes in range(200):
        words, table = empty_table()
        died = die_after(words, writes, [1])
        row = table.find(digest(1))
        if row:
            words[table.free_slot(row, in_flight=2, now_ms=NOW_MS)] = LIVE_SLOT
            for number in range(10, 10 + 2 * KEYS):
                table.add(digest(number), now_ms=NOW_MS + number)
            assert has_live_slots(words, table.find(digest(1)))
        if not died:
            assert row
            break


def test_chains_that_hold_garbage_are_threaded_again_from_the_keys() -> None:
    words, table = empty_table()
    rows = [add_with_slot(table, number) for number in range(KEYS)]
    words[HEADS] = len(words) + 5
    assert [table.find(digest(number)) for number in range(KEYS)] == rows
    words[rows[0] + 2] = rows[-1]
    assert table.find(digest(77)) == 0
    words[HEADS] = len(words) + 5
    words[rows[0] + 4] = 0
    assert table.add(digest(77), now_ms=NOW_MS) == rows[0]
    assert [table.find(digest(number)) for number in range(KEYS)] == [0, *rows[1:]]


@settings(max_examples=300)
@given(seed=st.integers(min_value=0), count=st.integers(min_value=1, max_value=12))
def test_garbage_in_chains_is_repaired_or_passed_over(seed: int, count: int) -> None:
    chance = random.Random(seed)
    words, table = empty_table()
    for number in range(KEYS):
        table.add(digest(number), now_ms=NOW_MS)
    links = [USED, *range(HEADS, ROWS), *(ROWS + 6 * row + 2 for row in range(KEYS))]
    for _ in range(count):
        words[chance.choice(links)] = chance.choice([chance.getrandbits(64), chance.randrange(len(words))])
    for number in range(40):
        key = digest(chance.randrange(8))
        now_ms = NOW_MS + number
        row = new_table(words).find(key) or table.add(key, now_ms=now_ms)
        assert row == 0 or (words[row], words[row + 1]) == key


@pytest.mark.parametrize("at", [0, 1, 2, USED], ids=["magic", "keys", "slots", "used"])
def test_a_table_with_a_wrong_header_is_not_readable(at: int) -> None:
    words, table = empty_table()
    assert table.is_readable()
    words[at] += 1
    assert not table.is_readable()


def test_a_full_table_is_readable() -> None:
    _, table = empty_table()
    for number in range(KEYS):
        table.add(digest(number), now_ms=NOW_MS)
    assert table.is_readable()


def test_slots_of_the_dead_are_freed_without_being_called_outlived() -> None:
    words, table = empty_table()
    row = table.add(digest(1), now_ms=NOW_MS)
    words[row + 4] = words[row + 5] = LIVE_SLOT + 1
    assert table.stats(now_ms=NOW_MS).in_flight == 0
    assert table.free_slot(row, in_flight=2, now_ms=NOW_MS) == row + 4
    assert table.stats(now_ms=NOW_MS).outlived_leases == 0
    assert words[row + 3] == NOW_MS << COUNT_BITS


def test_epochs_come_round_and_tell_lives_apart() -> None:
    _, table = empty_table()
    lives = [table.next_epoch(HOLDERS - 1) for _ in range(3000)]
    assert len(set(lives[-2048:])) == 2048
    assert max(lives) < 1 << OWNER_BITS
    assert table.is_current(lives[-1])
    assert not table.is_current(lives[-2])
