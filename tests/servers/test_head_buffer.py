"""Heads that come in pieces."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from openclaw_webhooks.servers.head_buffer import HeadBuffer, HeadState
from openclaw_webhooks.servers.request_head import MAX_HEAD_BYTES

HEAD = b"POST /hook HTTP/1.1\r\nHost: x\r\nX-A: b\r\n\r\n"


def add_all(pieces: list[bytes]) -> tuple[HeadBuffer, HeadState]:
    buffer = HeadBuffer()
    for piece in pieces:
        if buffer.add(piece) is not HeadState.INCOMPLETE:
            break
    return buffer, buffer.state


@given(st.lists(st.integers(1, len(HEAD)), max_size=6))
def test_a_head_is_complete_with_its_last_byte_however_it_is_cut(cuts: list[int]) -> None:
    borders = sorted({0, *cuts, len(HEAD)})
    pieces = [HEAD[begin:end] for begin, end in itertools.pairwise(borders)]
    _, before = add_all([*pieces[:-1], pieces[-1][:-1]])
    buffer, state = add_all(pieces)
    assert (before, state) == (HeadState.INCOMPLETE, HeadState.COMPLETE)
    assert buffer.take() == HEAD
    assert (bool(buffer), buffer.state) == (False, HeadState.INCOMPLETE)


@given(st.lists(st.sampled_from([b"a", b":", b"\r\n", b"\r", b"\n"]), max_size=12), st.integers(0, 12))
def test_what_can_never_end_is_complete_at_once(parts: list[bytes], cut: int) -> None:
    data = b"".join(parts)
    _, whole = add_all([data])
    _, cut_up = add_all([data[:cut], data[cut:]])
    has_bare_line_feed = b"\n" in data.replace(b"\r\n", b"")
    while data.startswith(b"\r\n"):
        data = data[2:]
    assert (whole is HeadState.COMPLETE) == (has_bare_line_feed or b"\r\n\r\n" in data)
    assert cut_up is whole


def test_what_follows_a_head_is_kept_with_it() -> None:
    buffer, state = add_all([HEAD + b"body\nof a kind"])
    assert (state, buffer.take()) == (HeadState.COMPLETE, HEAD + b"body\nof a kind")


@given(st.lists(st.just(b"\r\n")), st.integers(0, 3))
@example([b"\r\n"] * 100, 1)
def test_empty_lines_before_a_head_are_no_part_of_it(lines: list[bytes], cut: int) -> None:
    buffer = HeadBuffer()
    for line in lines:
        assert buffer.add(line[:1]) is HeadState.INCOMPLETE
        assert buffer.add(line[1:]) is HeadState.INCOMPLETE
        assert not buffer
    buffer.add(HEAD[:cut])
    assert buffer.add(HEAD[cut:]) is HeadState.COMPLETE
    assert buffer.take() == HEAD


@pytest.mark.parametrize("piece", [b"\r\n", b"\r\n" * 100, b"\r\n" * 10_000])
def test_empty_lines_have_the_bound_of_a_head(piece: bytes) -> None:
    pieces = MAX_HEAD_BYTES // len(piece) + 50
    assert add_all([piece] * pieces)[1] is HeadState.TOO_LARGE


def head_of(size_bytes: int) -> bytes:
    """Build a head whose target and fields have this size together: ``/``, ``Host: x`` and one more field."""
    return b"GET / HTTP/1.1\r\nHost: x\r\nX: " + b"y" * (size_bytes - 1 - 9 - 5) + b"\r\n\r\n"


@pytest.mark.parametrize("piece_bytes", [1000, 100_000])
@pytest.mark.parametrize(
    ("size_bytes", "state"), [(MAX_HEAD_BYTES, HeadState.COMPLETE), (MAX_HEAD_BYTES + 1, HeadState.TOO_LARGE)]
)
def test_a_head_has_a_bound(size_bytes: int, state: HeadState, piece_bytes: int) -> None:
    data = head_of(size_bytes)
    assert add_all([data[i : i + piece_bytes] for i in range(0, len(data), piece_bytes)])[1] is state


def test_a_head_that_never_ends_is_too_large_soon() -> None:
    buffer = HeadBuffer()
    sent = 0
    while buffer.add(b"x: " + b"y" * 95 + b"\r\n") is HeadState.INCOMPLETE:
        sent += 100
    assert buffer.state is HeadState.TOO_LARGE
    assert sent <= MAX_HEAD_BYTES + 100
