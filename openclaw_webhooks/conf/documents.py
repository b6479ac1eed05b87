"""Reads JSON5 documents from files that are what they seem.

An error never quotes the document, because it may hold secrets.
"""

from __future__ import annotations

import os
import re
import stat
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Final

import pyjson5

MAX_DOCUMENT_BYTES: Final = 2_097_152
MAX_NESTING: Final = 200
_NEAR = re.compile(r"near (\d+)")


class DocumentError(Exception):
    """A file gives no document; the message says why."""


@dataclass(frozen=True, slots=True)
class FileContent:
    """What a file held when it was read."""

    content: bytes
    links: int

    @property
    def fingerprint(self) -> bytes:
        """Equal for equal content."""
        return sha256(self.content).digest()


def read_content(path: Path) -> FileContent:
    """Read a whole regular file.

    Raises:
        FileNotFoundError: There is none.
        DocumentError: It cannot be read.
    """
    try:
        # O_NONBLOCK keeps a FIFO of that name from hanging the start.
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except FileNotFoundError:
        raise
    except (OSError, ValueError) as error:
        raise DocumentError(f"cannot be opened: {_describe(error)}") from None
    try:
        return _read_regular(descriptor)
    except OSError as error:
        raise DocumentError(f"cannot be read: {_describe(error)}") from None
    finally:
        os.close(descriptor)


def parse_document(content: bytes) -> object:
    """Parse JSON5, a byte order mark allowed.

    Raises:
        DocumentError: It is no JSON5; line and column are named, nothing is quoted.
    """
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise DocumentError(f"is not UTF-8 text (at byte {error.start})") from None
    try:
        document: object = pyjson5.decode(text, MAX_NESTING)
    except pyjson5.Json5NestingTooDeep:
        raise DocumentError(f"is nested deeper than {MAX_NESTING} levels") from None
    except (pyjson5.Json5Exception, ValueError) as error:
        raise DocumentError(f"is not JSON5{_locate(error, text)}") from None
    return document


def _read_regular(descriptor: int) -> FileContent:
    status = os.fstat(descriptor)
    if not stat.S_ISREG(status.st_mode):
        raise DocumentError("is not a regular file")
    with open(descriptor, "rb", closefd=False) as file:
        content = file.read(MAX_DOCUMENT_BYTES + 1)
    if len(content) > MAX_DOCUMENT_BYTES:
        raise DocumentError(f"is larger than {MAX_DOCUMENT_BYTES} bytes")
    return FileContent(content, status.st_nlink)


def _describe(error: OSError | ValueError) -> str:
    return (error.strerror if isinstance(error, OSError) else None) or "its name is not valid"


def _locate(error: Exception, text: str) -> str:
    found = _NEAR.search(str(error.args[0])) if error.args else None
    if found is None:
        return ""
    before = text[: max(0, int(found[1]) - 1)]
    return f": line {before.count(chr(10)) + 1}, column {len(before) - before.rfind(chr(10))}"
