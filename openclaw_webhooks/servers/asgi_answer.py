"""One whole answer over ASGI, also to a caller whose body is still under way and never read.

Source: ASGI 3.0, "Response start" and "Response body"; RFC 9112 section 9.6.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from openclaw_webhooks.effects import Answer
from openclaw_webhooks.servers.asgi_body import AsgiBody
from openclaw_webhooks.servers.gunicorn_asgi import forbid_reuse


async def send_answer(
    answer: Answer,
    scope: MutableMapping[str, Any],
    receive: Callable[[], Awaitable[MutableMapping[str, Any]]],
    send: Callable[[MutableMapping[str, Any]], Awaitable[None]],
    *,
    body: AsgiBody | None = None,
) -> None:
    """Send an answer; where a body is still under way, let the caller come to read it and end the connection.

    Args:
        answer: With all fields but ``content-length`` and ``connection``.
        scope: The request's.
        receive: The request's.
        send: The request's.
        body: What was begun to be read of the request's body; ``None`` where nothing was.
    """
    rest = body or AsgiBody(receive)
    is_under_way = not rest.is_complete and _declares_body(scope)
    fields = [(name.encode("ascii"), value.encode("latin-1")) for name, value in answer.headers]
    fields.append((b"content-length", b"%d" % len(answer.body)))
    if answer.close or is_under_way:
        forbid_reuse(receive)
        fields.append((b"connection", b"close"))
    content = b"" if scope["method"] == "HEAD" else answer.body
    await send({"type": "http.response.start", "status": int(answer.status), "headers": fields})
    await send({"type": "http.response.body", "body": content, "more_body": is_under_way})
    if is_under_way:
        await rest.linger()
        await send({"type": "http.response.body", "body": b""})


def _declares_body(scope: MutableMapping[str, Any]) -> bool:
    """Tell whether a body follows the head (RFC 9112 section 6.3); of HTTP/2 only a length tells it."""
    fields: list[tuple[bytes, bytes]] = scope["headers"]
    return any(name == b"transfer-encoding" or (name == b"content-length" and value != b"0") for name, value in fields)
