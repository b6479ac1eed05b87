"""Talks ASGI to an application in this process, message by message; for what no HTTP server would let a test do."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterable
from typing import Any

Message = dict[str, Any]


class AsgiAnswer:
    """What an application sent."""

    def __init__(self, messages: list[Message]) -> None:
        self.messages = messages

    @property
    def status(self) -> int:
        status: int = self.messages[0]["status"]
        return status

    @property
    def headers(self) -> dict[str, str]:
        return {name.decode(): value.decode("latin-1") for name, value in self.messages[0]["headers"]}

    @property
    def body(self) -> bytes:
        return b"".join(message.get("body", b"") for message in self.messages[1:])

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def is_complete(self) -> bool:
        return bool(self.messages) and not self.messages[-1].get("more_body", False)


def build_scope(
    path: str, headers: dict[str, str], *, method: str = "POST", client: str | None = "198.51.100.1"
) -> Message:
    """Build an HTTP connection scope."""
    return {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.4"},
        "http_version": "1.1",
        "method": method,
        "path": path,
        "raw_path": path.encode(),
        "root_path": "",
        "scheme": "http",
        "query_string": b"",
        "headers": [(name.lower().encode(), value.encode("latin-1")) for name, value in headers.items()],
        "client": (client, 1234) if client else None,
        "server": ("testserver", 80),
    }


class AsgiCall:
    """One call under way: hands out the body's pieces as they are asked for, then waits or hangs up.

    ``asked`` counts how often the application asked for a piece of the body.
    """

    def __init__(
        self, application: Any, scope: Message, body: Iterable[bytes] = (b"",), *, hangs_up: bool = False
    ) -> None:
        self._application = application
        self._scope = scope
        self._pieces = list(body)
        self._hangs_up = hangs_up
        self.asked = 0
        self.answer = AsgiAnswer([])

    async def _receive(self) -> Message:
        self.asked += 1
        if self._pieces:
            piece = self._pieces.pop(0)
            return {"type": "http.request", "body": piece, "more_body": bool(self._pieces) or self._hangs_up}
        if self._hangs_up:
            return {"type": "http.disconnect"}
        await asyncio.Event().wait()
        raise AssertionError

    async def _send(self, message: Message) -> None:
        self.answer.messages.append(message)

    async def run(self) -> AsgiAnswer:
        """Run the application to its end."""
        await self._application(self._scope, self._receive, self._send)
        return self.answer
