"""What Django's WSGI handler makes of a request: a page that is whole, or one that is sent part by part."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from functools import partial
from typing import Any, BinaryIO, Final, TypeAlias

PIECE_BYTES: Final = 16_384
"""Of what is sent at once: little enough that hundreds of callers who do not read hold little."""
_STATUSES_WITHOUT_LENGTH: Final = (204, 304)

Fields: TypeAlias = "list[tuple[bytes, bytes]]"


class FileParts:
    """An open file that Django hands over to be sent (``wsgi.file_wrapper``): parts are read without waiting."""

    def __init__(self, file: BinaryIO, _block_bytes: int = 0) -> None:
        """Read nothing yet."""
        self._file = file

    def __iter__(self) -> Iterator[bytes]:
        """Read the file in pieces."""
        return iter(partial(self._file.read, PIECE_BYTES), b"")

    def close(self) -> None:
        """Close the file, and with it the response: Django has made this the response's own ``close``."""
        self._file.close()


class Parts:
    """The rest of an answer, from whichever thread asks for the next part. Each part is made by one call alone.

    So what a view streams must not keep a cursor open between two parts.

    Attributes:
        is_file: Whether parts are read without waiting, so also on an event loop.
    """

    def __init__(self, response: Any) -> None:
        """Ask for nothing yet."""
        self.is_file = isinstance(response, FileParts)
        self._response = response
        self._parts: Iterator[bytes] = iter(response)
        self._lock = threading.Lock()

    def fetch_next(self) -> bytes | None:
        """Return the next part; none at the end."""
        with self._lock:
            return next(self._parts, None)

    def close(self) -> None:
        """Let go of what the response holds, once the part that is being made is there."""
        with self._lock:
            self._response.close()


@dataclass(slots=True)
class MadePage:
    """One answer.

    Attributes:
        fields: Names in lower case, with the length where that is known.
        content: All of it, or what comes before the ``parts``.
        parts: The rest, where the answer is not whole.
    """

    status: int
    fields: Fields
    content: bytes = field(repr=False)
    parts: Parts | None = None

    def close(self) -> None:
        """Let go of what is open."""
        if self.parts is not None:
            self.parts.close()


def make_page(application: Callable[..., Iterable[bytes]], environ: dict[str, Any]) -> MadePage:
    """Have the application answer; blocks. ``environ["wsgi.file_wrapper"]`` is ``FileParts``."""
    head: list[Any] = []

    def start_response(status: str, headers: list[tuple[str, str]], _error: Any = None) -> None:
        head[:] = int(status.split(" ", 1)[0]), headers

    response: Any = application(environ, start_response)
    status, headers = head
    fields = [(name.lower().encode("latin-1"), value.strip().encode("latin-1")) for name, value in headers]
    if isinstance(response, FileParts) or response.streaming:
        # The response keeps the request, and this what was sent with it: for as long as the caller reads.
        environ["wsgi.input"].close()
        return MadePage(status, fields, b"", Parts(response))
    content = b"".join(response)
    response.close()
    if status not in _STATUSES_WITHOUT_LENGTH and not any(name == b"content-length" for name, _ in fields):
        fields.append((b"content-length", b"%d" % len(content)))
    return MadePage(status, fields, content)
