"""Calls of TaskFlow methods over the bridge, and what is known of the outcome of each.

A mutation is sent once. Where its answer is lost nobody knows whether it happened, and the error says so.

Source: docs/bridge-protocol.md; contract.md section 5.
"""

from __future__ import annotations

import json
import logging
import re
import time
from collections.abc import Callable, Mapping
from http import HTTPStatus
from typing import Any, Final

from openclaw_webhooks.call_context import get_call_context
from openclaw_webhooks.engines.bridge.breaker import CircuitBreaker
from openclaw_webhooks.engines.bridge.transport import NoAnswer, NotSent, Reply, Transport
from openclaw_webhooks.exceptions import EngineError, EngineUnavailable, OutcomeUnknown, PersistFailed, SecretUnresolved

PROTOCOL: Final = 1
_REPEAT_SECONDS: Final = 60.0
READS: Final = frozenset({"get", "list", "findLatest", "resolve", "getTaskSummary"})

_ADVICE: Final[Mapping[str, str]] = {
    "unauthorized": "the token differs: compare BRIDGE_TOKEN with bridge.token of the Gateway's plugin",
    "session_not_bound": "the Gateway has no route of this session: give both the same routes, and restart the Gateway",
    "unsupported_protocol": "the plugin in the Gateway is of another version: install this package's again",
    "shutting_down": "the Gateway is stopping",
    "call_failed": "the Gateway's TaskFlow API failed: its log says more",
}

_HEADER_VALUE: Final = re.compile(r"[!-~]*\Z")

logger = logging.getLogger(__name__)


class BridgeClient:
    """Calls methods for sessions; safe to use from several threads."""

    def __init__(
        self,
        transport: Transport,
        *,
        token: Callable[[], str | None] = lambda: None,
        breaker: CircuitBreaker | None = None,
    ) -> None:
        """Connect to nothing yet. ``token`` is asked before each call and may raise ``SecretUnresolved``."""
        self._transport = transport
        self._token = token
        self._breaker = breaker or CircuitBreaker()
        self._report = _Report()

    def call(self, session_key: str, method: str, params: Mapping[str, object]) -> Any:
        """Call a method and return its value as parsed JSON.

        Raises:
            EngineUnavailable: A read got no answer.
            PersistFailed: A mutation certainly did not happen.
            OutcomeUnknown: A mutation may have happened.
        """
        body = json.dumps({"sessionKey": session_key, "method": method, "params": params}).encode()
        flow_id = params.get("flowId")
        outcome = _Outcome(method, flow_id if isinstance(flow_id, str) else None)
        try:
            reply = self._exchange("POST", f"/v{PROTOCOL}/call", body, repeats=outcome.is_read)
        except NotSent as error:
            raise self._failure(outcome, str(error), happened=False) from error
        except NoAnswer as error:
            raise self._failure(outcome, str(error), happened=None) from error
        return self._read(reply, outcome)

    def check_health(self) -> Mapping[str, Any]:
        """Return what the bridge tells of itself.

        Raises:
            EngineUnavailable: There is no bridge, or none that speaks this protocol; the message says what to do.
        """
        outcome = _Outcome("health", None)
        try:
            reply = self._exchange("GET", f"/v{PROTOCOL}/health", None, repeats=True)
        except (NotSent, NoAnswer) as error:
            raise EngineUnavailable(str(error)) from error
        answer = _parse(reply)
        if reply.status != HTTPStatus.OK or answer.get("protocol") != PROTOCOL:
            code = _code_of(answer)
            raise EngineUnavailable(_ADVICE.get(code, f"{outcome.method}: status {reply.status} {code}"))
        return answer

    def _exchange(self, method: str, path: str, body: bytes | None, *, repeats: bool) -> Reply:
        request = _build_request(method, path, self._build_fields(), body)
        if not self._breaker.may_call():
            raise NotSent("the Gateway did not answer a moment ago")
        try:
            reply = self._transport.exchange(request, repeats=repeats)
        except BaseException as error:
            # Not by the time that it took: on a busy machine a refusal takes long as well.
            self._breaker.note_failure(is_in_vain=isinstance(error.__cause__, TimeoutError))
            raise
        self._breaker.note_success()
        if reply.status == HTTPStatus.OK:
            self._report.note(None)
        return reply

    def _build_fields(self) -> str:
        """Return the lines of the head that are the same for every path."""
        try:
            token = self._token()
        except (SecretUnresolved, TimeoutError) as error:
            raise NotSent(f"BRIDGE_TOKEN cannot be resolved: {error}") from error
        if token and not is_header_value(token):
            raise NotSent("BRIDGE_TOKEN holds characters that no header can carry")
        authorization = f"Authorization: Bearer {token}\r\n" if token else ""
        return f"Host: bridge\r\n{authorization}{_names_of_call()}"

    def _read(self, reply: Reply, outcome: _Outcome) -> Any:
        answer = _parse(reply)
        if reply.status == HTTPStatus.OK and answer.get("ok") is True:
            return answer.get("value")
        code = _code_of(answer)
        error = answer.get("error")
        certainly_not = bool(code) and isinstance(error, dict) and error.get("applied") == "no"
        why = _ADVICE.get(code, f"the bridge answered {reply.status} {code}".rstrip())
        raise self._failure(outcome, why, happened=False if certainly_not else None)

    def _failure(self, outcome: _Outcome, why: str, *, happened: bool | None) -> EngineError:
        """Return the error that says what is known; ``happened`` is False or, where nobody knows, None."""
        self._report.note(why)
        if outcome.is_read:
            return EngineUnavailable(why)
        if happened is False:
            return PersistFailed(why)
        return OutcomeUnknown(why, flow_id=outcome.flow_id)


def _names_of_call() -> str:
    """Return, as lines of a head, what the Gateway's log and traces know the call by that is under way here."""
    call = get_call_context()
    request_id = f"X-Request-ID: {call.request_id}\r\n" if call.request_id else ""
    return f"{request_id}traceparent: {call.traceparent}\r\n" if call.traceparent else request_id


def _build_request(method: str, path: str, fields: str, body: bytes | None) -> bytes:
    """Return a whole request; ``fields`` are lines, each with its end."""
    content = "" if body is None else f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n"
    return f"{method} {path} HTTP/1.1\r\n{fields}{content}\r\n".encode("ascii") + (body or b"")


class _Report:
    """Tells the log that the Gateway fails and that it answers again: news at once, what is known once a minute."""

    def __init__(self) -> None:
        self._why: str | None = None
        self._repeat_at = 0.0

    def note(self, why: str | None) -> None:
        """Note why a call failed, or with ``None`` that one succeeded. A race of two threads costs a second line."""
        if why is None:
            if self._why is not None:
                logger.warning("The bridge to the Gateway works again.")
                self._why = None
            return
        now = time.monotonic()
        if self._why is None or now >= self._repeat_at:
            self._why, self._repeat_at = why, now + _REPEAT_SECONDS
            logger.error("The bridge to the Gateway fails: %s", why)


class _Outcome:
    """What was asked, as far as it matters when no answer comes."""

    __slots__ = ("flow_id", "is_read", "method")

    def __init__(self, method: str, flow_id: str | None) -> None:
        self.method = method
        self.flow_id = flow_id
        self.is_read = method in READS


def is_header_value(text: str) -> bool:
    """Tell whether a header can carry a text: visible ASCII alone (RFC 9110 section 5.5, RFC 6750 section 2.1)."""
    return _HEADER_VALUE.match(text) is not None


def _parse(reply: Reply) -> Mapping[str, Any]:
    """Return the object that was answered, an empty one where it is none."""
    try:
        parsed = json.loads(reply.body)
    except (ValueError, RecursionError):
        return {}
    return parsed if isinstance(parsed, dict) else {}


def _code_of(answer: Mapping[str, Any]) -> str:
    error = answer.get("error")
    code = error.get("code") if isinstance(error, dict) else None
    return code if isinstance(code, str) and code.isidentifier() and len(code) <= 40 else ""
