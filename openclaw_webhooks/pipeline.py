"""The whole way of a request, in order, here and only here. Sans-I/O.

``Pipeline.serve`` is a generator. It yields what it needs (an *effect*: count this request, take a slot, authenticate,
receive the body, run the action) and is sent the result, or has the error thrown into it; it returns the ``Answer``.
Whoever drives it does the waiting: ``asgi`` awaits, ``views`` blocks and goes through DRF's hooks. It knows no server,
no colour of function and no thread, and no answer is written anywhere else.

Source: specification.txt ("Request handling order"), contract.md section 3.
"""

from __future__ import annotations

import time
from collections.abc import Generator
from concurrent.futures import Future
from dataclasses import replace
from http import HTTPStatus
from ipaddress import IPv4Network, IPv6Network
from time import perf_counter_ns

from openclaw_webhooks.actions.schema import check_whole_numbers, parse_action
from openclaw_webhooks.actions.values import Action, Fault, ListFlows
from openclaw_webhooks.call_context import call_context
from openclaw_webhooks.calls.journey import SKIPPED_MARK
from openclaw_webhooks.calls.record import CallRecord, CallSink, Step
from openclaw_webhooks.conf.routes import RouteConfig
from openclaw_webhooks.effects import (
    Answer,
    Authenticate,
    CountRequest,
    GiveSlotBack,
    ReceiveJson,
    RunAction,
    Steps,
    TakeSlot,
)
from openclaw_webhooks.engines.base import Engine
from openclaw_webhooks.exceptions import (
    BodyError,
    LimitStoreUnavailable,
    SecretUnresolved,
)
from openclaw_webhooks.guards.authentication import presented_secret
from openclaw_webhooks.guards.client_address import client_address, peer_behind_host
from openclaw_webhooks.guards.head import RequestHead, is_media_type_json, is_method_allowed
from openclaw_webhooks.guards.limits.base import Lease, LimitKey, Limits, Uncounted, Verdict
from openclaw_webhooks.guards.limits.headers import build_rate_headers
from openclaw_webhooks.guards.request_id import build_request_id, read_traceparent
from openclaw_webhooks.outcomes import Outcome, envelope, fault_envelope
from openclaw_webhooks.refusals import (
    BODY_REFUSALS,
    CLIENT_GONE,
    IN_FLIGHT_LIMIT,
    LIMITS_UNAVAILABLE,
    MEDIA_TYPE,
    METHOD,
    METHOD_OF_HEAD,
    RATE_LIMIT,
    SECRET,
    TOO_LARGE,
    Refusal,
)
from openclaw_webhooks.secrets.comparison import is_same_secret
from openclaw_webhooks.secrets.refs import Secret
from openclaw_webhooks.secrets.resolver import SecretResolver
from openclaw_webhooks.services import BRIEF_CHANGES, perform
from openclaw_webhooks.values import JsonValue

_MARKS_BEFORE_SECRET = 3


def authentication_steps(
    head: RequestHead, secret: Secret, resolver: SecretResolver
) -> Generator[Future[str], str, bool]:
    """Tell whether the caller presents the secret; yields a future where it takes I/O to know it.

    A caller that presents nothing costs no resolution, and an unresolvable secret is no different from a wrong one:
    the reason goes to the operator through the resolver.
    """
    presented = presented_secret(head)
    if not presented:
        return False
    try:
        expected = resolver.resolve_now(secret)
        if expected is None:
            expected = yield resolver.fetch(secret)
    except SecretUnresolved:
        return False
    return is_same_secret(presented, expected)


class Pipeline:
    """Serves calls to routes; one per process, free of state of its own."""

    def __init__(
        self,
        *,
        engine: Engine,
        sink: CallSink,
        trusted_proxies: tuple[IPv4Network | IPv6Network, ...] = (),
        allow_real_ip_fallback: bool = False,
        limits_fail_open: bool = False,
        advertised_limits: Limits | None = None,
        host_token: str = "",
    ) -> None:
        """Keep what every request needs; everything that waits is left to the doors.

        Args:
            engine: Where flows live.
            sink: Where a record of each call goes.
            trusted_proxies: Whose forwarded headers are believed.
            allow_real_ip_fallback: Whether ``X-Real-IP`` is, where ``X-Forwarded-For`` names nobody.
            limits_fail_open: Whether a request passes that the limits cannot count.
            advertised_limits: The limits, where answers are to tell callers what is left of them.
            host_token: What a hosting Gateway proves itself with; empty where none hosts this app.
        """
        self._engine = engine
        self._sink = sink
        self._trusted_proxies = trusted_proxies
        self._allow_real_ip_fallback = allow_real_ip_fallback
        self._limits_fail_open = limits_fail_open
        self._advertised_limits = advertised_limits
        self._host_token = host_token

    def serve(self, route: RouteConfig, head: RequestHead) -> Steps:
        """Serve one call and leave its record, however it ends."""
        started_ns = perf_counter_ns()
        started_at_ms = time.time_ns() // 1_000_000
        call = CallRecord(
            started_at_ms=started_at_ms,
            started_ns=started_ns,
            route_id=route.route_id,
            request_id=build_request_id(head, started_at_ms),
            client=self.find_client(head),
            traceparent=read_traceparent(head),
        )
        try:
            answer = yield from self._pass_guards(route, head, call)
            call.status = answer.status if call.code != CLIENT_GONE.code else 0
            return answer
        except Exception:
            call.status = HTTPStatus.INTERNAL_SERVER_ERROR
            raise
        finally:
            call.duration_us = (perf_counter_ns() - started_ns) // 1000
            self._sink.add(call)

    def find_client(self, head: RequestHead) -> str:
        """Return whose request this is, as canonical text."""
        return client_address(
            peer_behind_host(head, self._host_token) if self._host_token else head,
            trusted_proxies=self._trusted_proxies,
            allow_real_ip_fallback=self._allow_real_ip_fallback,
        )

    def _pass_guards(self, route: RouteConfig, head: RequestHead, call: CallRecord) -> Steps:
        """Steps 1 and 2: whatever can be judged from the head alone."""
        if not is_method_allowed(head):
            return _refuse(call, METHOD_OF_HEAD if head.method == "HEAD" else METHOD)
        if not is_media_type_json(head):
            return _refuse(call, MEDIA_TYPE)
        call.marks.append(perf_counter_ns())
        return (yield from self._pass_rate(route, head, call))

    def _pass_rate(self, route: RouteConfig, head: RequestHead, call: CallRecord) -> Steps:
        """Step 3: the fixed window; whatever is answered from here on can say what is left of it."""
        key = LimitKey(route.path, call.client)
        try:
            verdict: Verdict = yield CountRequest(key)
        except LimitStoreUnavailable:
            return (yield from self._pass_uncounted(route, head, call))
        if not verdict.allowed:
            answer = _refuse(call, RATE_LIMIT, retry_after_seconds=verdict.retry_after_seconds)
        else:
            call.marks.append(perf_counter_ns())
            answer = yield from self._pass_slot(route, head, call, key)
        if self._advertised_limits is None:
            return answer
        return replace(
            answer, headers=answer.headers + build_rate_headers(verdict, self._advertised_limits.of(route.path))
        )

    def _pass_uncounted(self, route: RouteConfig, head: RequestHead, call: CallRecord) -> Steps:
        """Fail closed where the limits cannot be known, unless told otherwise; the record shows who passed."""
        if not self._limits_fail_open:
            return _refuse(call, LIMITS_UNAVAILABLE, retry_after_seconds=1)
        # One mark where the slot could not be counted; where already the rate could not, no slot was asked for.
        call.marks += (perf_counter_ns(), SKIPPED_MARK)[: _MARKS_BEFORE_SECRET - len(call.marks)]
        answer = yield from self._pass_secret(route, head, call, Uncounted())
        call.code = call.code or LIMITS_UNAVAILABLE.code
        return answer

    def _pass_slot(self, route: RouteConfig, head: RequestHead, call: CallRecord, key: LimitKey) -> Steps:
        """Step 4: a slot, held until the answer is there."""
        try:
            lease: Lease | Verdict = yield TakeSlot(key)
        except LimitStoreUnavailable:
            return (yield from self._pass_uncounted(route, head, call))
        if isinstance(lease, Verdict):
            return _refuse(call, IN_FLIGHT_LIMIT, retry_after_seconds=lease.retry_after_seconds)
        call.marks.append(perf_counter_ns())
        try:
            answer = yield from self._pass_secret(route, head, call, lease)
            # Before the answer is sent: a caller that waits for one answer before the next request never meets 429.
            yield GiveSlotBack(lease)
        except BaseException:
            lease.release()
            raise
        return answer

    def _pass_secret(self, route: RouteConfig, head: RequestHead, call: CallRecord, lease: Lease) -> Steps:
        """Steps 5 and 6: the secret, then the body of a caller that is let in."""
        if not (yield Authenticate(head, route.secret)):
            return _refuse(call, SECRET)
        call.marks.append(perf_counter_ns())
        lease.renew()
        request = ReceiveJson()
        try:
            if _declared_length(head) > request.limit_bytes:
                return _refuse(call, TOO_LARGE)
            value = yield request
        except BodyError as error:
            return _refuse(call, BODY_REFUSALS[type(error)])
        finally:
            call.body_bytes = request.received_bytes
        call.marks.append(perf_counter_ns())
        lease.renew()
        return (yield from self._run(route, self._check(value), call))

    def _check(self, value: JsonValue) -> Action | Fault:
        """Step 8: the schema, and where the engine would alter a number, that too: better a 400 than another number."""
        action = parse_action(value)
        if isinstance(action, Fault) or self._engine.capabilities.keeps_whole_numbers:
            return action
        return check_whole_numbers(action) or action

    def _run(self, route: RouteConfig, action: Action | Fault, call: CallRecord) -> Steps:
        """Step 9: the engine acts, unless the schema found a fault."""
        if isinstance(action, Fault):
            call.action, call.refused_by, call.code = action.action, Step.SCHEMA, "invalid_request"
            return _answer_json(call, HTTPStatus.BAD_REQUEST, fault_envelope(action))
        call.action = action.name
        flows, actor = self._engine.bind_session(route.session_key), f"route {route.route_id}"
        call.marks.append(perf_counter_ns())
        marks_before = len(call.marks)

        def act() -> Outcome:
            """Run in the thread that waits for the engine, once more where its commit with others failed."""
            call.marks[marks_before:] = [perf_counter_ns()]
            with call_context(actor, request_id=call.request_id, traceparent=call.traceparent):
                return perform(action, flows, default_controller_id=route.controller_id)

        def tell(outcome: Outcome) -> tuple[Outcome, bytes]:
            """Run there too: building a long list must not hold up an event loop."""
            call.marks.append(perf_counter_ns())
            call.engine_us = (call.marks[-1] - call.marks[-2]) // 1000
            return outcome, envelope(route.route_id, outcome)

        outcome, body = yield RunAction(
            act, tell, joins=isinstance(action, BRIEF_CHANGES), is_long=isinstance(action, ListFlows)
        )
        call.code, call.flow_id = outcome.code, _flow_id(action, outcome)
        return _answer_json(call, outcome.status, body, retry_after_seconds=outcome.retry_after_seconds)


def _refuse(call: CallRecord, refusal: Refusal, *, retry_after_seconds: int = 0) -> Answer:
    """Turn the caller away and note at which step."""
    call.refused_by, call.code = refusal.step, refusal.code
    headers = (
        ("content-type", "text/plain; charset=utf-8"),
        ("x-request-id", call.request_id),
        *refusal.headers,
        *_retry_after(retry_after_seconds),
    )
    return Answer(status=refusal.status, headers=headers, body=refusal.text.encode(), close=refusal.close)


def _answer_json(call: CallRecord, status: int, body: bytes, *, retry_after_seconds: int | None = None) -> Answer:
    """Answer with an envelope that ``outcomes`` has built."""
    headers = (
        ("content-type", "application/json; charset=utf-8"),
        ("x-request-id", call.request_id),
        *_retry_after(retry_after_seconds or 0),
    )
    return Answer(status=status, headers=headers, body=body)


def _retry_after(seconds: int) -> tuple[tuple[str, str], ...]:
    return (("retry-after", str(seconds)),) if seconds else ()


def _declared_length(head: RequestHead) -> int:
    """Return the declared length of the body, 0 where none or none that is a number is declared."""
    declared = head.headers.get("content-length", "")
    return int(declared) if declared.isascii() and declared.isdigit() and len(declared) < 20 else 0


def _flow_id(action: Action, outcome: Outcome) -> str | None:
    """Return the flow that a call was about: the one it named, else the one it got."""
    flow = outcome.result.get("flow")
    found = flow.get("flowId") if isinstance(flow, dict) else None
    return getattr(action, "flow_id", None) or (found if isinstance(found, str) else None)
