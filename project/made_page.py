"""What Django's WSGI handler makes of a request: a page that is whole, or one that is sent part by part."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, TypeAlias
from wsgiref.util import FileWrapper

PIECE_BYTES: Final = 16_384
"""Of what is sent at once: little enough that hundreds of callers who do not read hold little."""
_STATUSES_WITHOUT_LENGTH: Final = (204, 304)

Fields: TypeAlias = "list[tuple[bytes, bytes]]"


@dataclass(slots=True)
class FileParts:
    """What is left to send of a file. Opened for each part, so that callers who do not read hold no descriptors."""

    path: Path
    position_bytes: int
    left_bytes: int

    def read_next(self) -> bytes:
        """Return the next part; nothing at the end. For an event loop: a file is there."""
        with self.path.open("rb") as file:
            file.seek(self.position_bytes)
            part = file.read(min(PIECE_BYTES, self.left_bytes))
        self.position_bytes += len(part)
        self.left_bytes -= len(part)
        return part


class StreamParts:
    """What a view streams, from whichever thread asks for the next part: one part is made by one call.

    So a view must not keep a cursor of the database open between two parts.
    """

    def __init__(self, response: Any) -> None:
        """Ask for nothing yet."""
        self._response = response
        self._parts: Iterator[bytes] = iter(response)
        self._lock = threading.Lock()

    def make_next(self) -> bytes | None:
        """Return the next part; none at the end. Blocks."""
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
        content: The body: all of it, or where it comes from.
    """

    status: int
    fields: Fields
    content: bytes | FileParts | StreamParts = field(repr=False)

    def close(self) -> None:
        """Let go of what is open; blocks."""
        if isinstance(self.content, StreamParts):
            self.content.close()


def make_page(application: Callable[..., Iterable[bytes]], environ: dict[str, Any]) -> MadePage:
    """Have the application answer; blocks. ``environ["wsgi.file_wrapper"]`` is ``wsgiref.util.FileWrapper``."""
    head: list[Any] = []

    def start_response(status: str, headers: list[tuple[str, str]], _error: Any = None) -> None:
        head[:] = int(status.split(" ", 1)[0]), headers

    response: Any = application(environ, start_response)
    status, headers = head
    fields = [(name.lower().encode("latin-1"), value.strip().encode("latin-1")) for name, value in headers]
    content = _find_content(response)
    if isinstance(content, StreamParts):
        # The response keeps the request, and this what was sent with it: for as long as the caller reads.
        environ["wsgi.input"].close()
    else:
        response.close()
    if isinstance(content, bytes) and _lacks_length(status, fields):
        fields.append((b"content-length", b"%d" % len(content)))
    return MadePage(status, fields, content)


def _find_content(response: Any) -> bytes | FileParts | StreamParts:
    if isinstance(response, FileWrapper):
        return _find_file(response.filelike) or StreamParts(response)
    return StreamParts(response) if response.streaming else b"".join(response)


def _find_file(opened: Any) -> FileParts | None:
    """Return what is left of an open file, or of the slice of one that WhiteNoise makes for a range."""
    file = getattr(opened, "fileobj", opened)
    name = getattr(file, "name", None)
    if not isinstance(name, str):
        return None
    position_bytes = file.tell()
    left_bytes = getattr(opened, "remaining", os.fstat(file.fileno()).st_size - position_bytes)
    return FileParts(Path(name), position_bytes, left_bytes)


def _lacks_length(status: int, fields: Fields) -> bool:
    return status not in _STATUSES_WITHOUT_LENGTH and not any(name == b"content-length" for name, _ in fields)
