"""The names that a request goes by in answers, records, logs and traces. They name a request and guard nothing."""

from __future__ import annotations

import re
from random import getrandbits

from openclaw_webhooks.guards.head import RequestHead

_REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,64}\Z")
_TRACEPARENT = re.compile(r"[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}\Z")


def build_request_id(head: RequestHead, started_at_ms: int) -> str:
    """Take over the caller's id where it is harmless, else make one.

    Ours begin with the time, which keeps the index of recorded calls dense.
    """
    given = head.headers.get("x-request-id", "")
    return given if _REQUEST_ID.match(given) else f"{started_at_ms:012x}{getrandbits(80):020x}"


def read_traceparent(head: RequestHead) -> str:
    """Return the trace that the caller's request belongs to, empty where it names none (W3C Trace Context, 3.2)."""
    given = head.headers.get("traceparent")
    return given if given is not None and _TRACEPARENT.match(given) else ""
