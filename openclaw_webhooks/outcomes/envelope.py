"""The bytes of JSON answers.

Source: specification.txt ("Response shape"), contract.md section 5. The bytes are what ``JSON.stringify`` makes of the
same value: compact, UTF-8 unescaped, lone surrogates escaped; only very small fractions are spelled as Python does.
"""

from __future__ import annotations

from json import JSONEncoder
from typing import Final, cast

from openclaw_webhooks.actions.values import Fault
from openclaw_webhooks.outcomes.listing import WrittenFlows
from openclaw_webhooks.outcomes.table import Outcome
from openclaw_webhooks.outcomes.views import JsonObject

INVALID_REQUEST: Final = "invalid_request"

# Values come from JSON, so they hold no cycle; a number that JSON cannot spell must not get out as "Infinity".
_ENCODER: Final = JSONEncoder(ensure_ascii=False, check_circular=False, allow_nan=False, separators=(",", ":"))


def envelope(route_id: str, outcome: Outcome) -> bytes:
    """Return the body that tells ``outcome``. A long list takes a while: build it where the engine was called."""
    answer: JsonObject = {"ok": outcome.error is None, "routeId": route_id}
    if outcome.code is not None:
        answer["code"] = outcome.code
    if outcome.error is not None:
        answer["error"] = outcome.error
    if isinstance(outcome.result, WrittenFlows):
        return _to_bytes(f'{_ENCODER.encode(answer)[:-1]},"result":{{"flows":{outcome.result.text}}}}}')
    answer["result"] = cast("JsonObject", outcome.result)
    return _to_bytes(_ENCODER.encode(answer))


def fault_envelope(fault: Fault) -> bytes:
    """Return the body that tells why a request is no action. It names no route, as the Gateway's does not."""
    return _to_bytes(_ENCODER.encode({"ok": False, "code": INVALID_REQUEST, "error": str(fault)}))


def _to_bytes(text: str) -> bytes:
    try:
        return text.encode()
    except UnicodeEncodeError:
        # Only inside a JSON string can a lone surrogate stand, and there its escape is what a parser reads back.
        return text.encode(errors="backslashreplace")
