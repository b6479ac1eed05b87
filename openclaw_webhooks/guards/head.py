"""The head of a request, as every door hands it to the pipeline, and the two guards that need nothing else.

Source: specification.txt ("Request handling order"), contract.md section 3, steps 1 and 2; RFC 6839 for ``+json``.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import field
from functools import lru_cache

from openclaw_webhooks.values import value

_JSON_MEDIA_TYPE = re.compile(r"application/(?:json|[a-z0-9!#$&^_.+-]+\+json)\Z")


@value()
class RequestHead:
    """Everything known of a request before one byte of its body.

    Attributes:
        method: As sent, in upper case.
        headers: Lower-case names to values decoded as Latin-1; repeated fields keep the first value, but for
            ``x-forwarded-for``, whose values are joined by commas.
        peer: Address of the other end of the connection, ``None`` for a unix socket.
    """

    method: str
    headers: Mapping[str, str] = field(repr=False)
    peer: str | None = None


def is_method_allowed(head: RequestHead) -> bool:
    """Tell whether the method is POST, the only one that routes serve."""
    return head.method == "POST"


def is_media_type_json(head: RequestHead) -> bool:
    """Tell whether the declared media type is JSON; parameters and case are ignored."""
    return _is_json(head.headers.get("content-type", ""))


@lru_cache(maxsize=64)
def _is_json(content_type: str) -> bool:
    """Judge a header's value; callers send few different ones."""
    return _JSON_MEDIA_TYPE.match(content_type.partition(";")[0].strip().lower()) is not None
