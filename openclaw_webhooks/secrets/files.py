"""Reads a secret from a file. Blocks on the file system, so it runs in a thread of the resolver's.

Source: contract.md section 2; RFC 6901.
"""

from __future__ import annotations

import errno
import json
import os
import re
import stat
from typing import Final

from openclaw_webhooks.exceptions import SecretUnresolved
from openclaw_webhooks.secrets.providers import FileProvider
from openclaw_webhooks.secrets.refs import SINGLE_VALUE_ID, parse_pointer
from openclaw_webhooks.secrets.trust import check_owner, check_private

_ARRAY_INDEX = re.compile(r"(?:0|[1-9][0-9]{0,8})\Z")
_CHUNK_BYTES: Final = 65_536


def read_file_secret(provider: FileProvider, secret_id: str) -> object:
    """Return what the file holds for the id; the caller judges whether it is a secret.

    Raises:
        SecretUnresolved: The file or what it holds is not as configured. No content is in the message.
    """
    segments = _segments(provider, secret_id)
    content = _decode(_read_guarded(provider))
    if segments is None:
        return content
    return _find(_parse_object(content), segments)


def _segments(provider: FileProvider, secret_id: str) -> tuple[str, ...] | None:
    if provider.mode == "singleValue":
        if secret_id != SINGLE_VALUE_ID:
            raise SecretUnresolved('a singleValue file has the one id "value"')
        return None
    segments = parse_pointer(secret_id)
    if segments is None:
        raise SecretUnresolved("the id is not a JSON pointer such as /name")
    return segments


def _read_guarded(provider: FileProvider) -> bytes:
    # What is checked is what is read: one descriptor, never the path twice. O_NONBLOCK keeps a FIFO from hanging us.
    flags = os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOCTTY
    if not provider.allow_insecure_path:
        flags |= os.O_NOFOLLOW
    try:
        descriptor = os.open(provider.path, flags)
    except (OSError, ValueError) as error:
        if isinstance(error, OSError) and error.errno == errno.ELOOP:
            raise SecretUnresolved("the path is a symbolic link") from None
        raise SecretUnresolved(f"the file cannot be opened ({describe_os_error(error)})") from None
    try:
        _check_guards(os.fstat(descriptor), provider)
        return _read_limited(descriptor, provider.max_bytes)
    except OSError as error:
        raise SecretUnresolved(f"the file cannot be read ({describe_os_error(error)})") from None
    finally:
        os.close(descriptor)


def describe_os_error(error: OSError | ValueError) -> str:
    """Return what the operating system says, without a path."""
    return (error.strerror if isinstance(error, OSError) else None) or "invalid path"


def _check_guards(status: os.stat_result, provider: FileProvider) -> None:
    if not stat.S_ISREG(status.st_mode):
        raise SecretUnresolved("the path is not a regular file")
    if not provider.allow_insecure_path:
        check_owner(status, "the file")
        check_private(status, "the file")


def _read_limited(descriptor: int, max_bytes: int) -> bytes:
    content = bytearray()
    while chunk := os.read(descriptor, _CHUNK_BYTES):
        content += chunk
        if len(content) > max_bytes:
            raise SecretUnresolved(f"the file is larger than {max_bytes} bytes")
    return bytes(content)


def _decode(content: bytes) -> str:
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise SecretUnresolved("the file is not UTF-8 text") from None


def _parse_object(content: str) -> dict[str, object]:
    try:
        document = json.loads(content)
    except (ValueError, RecursionError):
        raise SecretUnresolved("the file is not JSON") from None
    if not isinstance(document, dict):
        raise SecretUnresolved("the file does not hold a JSON object")
    return document


def _find(value: object, segments: tuple[str, ...]) -> object:
    for segment in segments:
        if isinstance(value, dict) and segment in value:
            value = value[segment]
        elif isinstance(value, list) and _ARRAY_INDEX.match(segment) and int(segment) < len(value):
            value = value[int(segment)]
        else:
            raise SecretUnresolved("the file holds nothing at that id")
    return value
