"""Answers the routes and the pages for monitoring before any other middleware sees them, and limits sign-ins.

For projects that serve routes through Django itself.
"""

from __future__ import annotations

import inspect
import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from http import HTTPStatus
from typing import Any, Final, NamedTuple

from asgiref.sync import sync_to_async
from django.contrib.auth.signals import user_logged_in
from django.http import HttpRequest, HttpResponse, UnreadablePostError
from django.http.response import HttpResponseBase
from django.utils.deprecation import MiddlewareMixin

from openclaw_webhooks.monitor_door import is_page, view_of_page
from openclaw_webhooks.runtime import get_runtime
from openclaw_webhooks.sign_ins.known_addresses import remember_address
from openclaw_webhooks.sign_ins.limits import (
    SignInAttempt,
    SignInLimits,
    SignInOutcome,
    SignInRefusal,
    network_of,
    normalise_account,
)
from openclaw_webhooks.views import build_head_of, view_of

__all__ = ["SignInLimitMiddleware", "WebhookRoutesMiddleware"]

logger = logging.getLogger("openclaw_webhooks.sign_ins")


class WebhookRoutesMiddleware:
    """List it first in ``MIDDLEWARE``: routes then answer whatever the Host header says, and cost no other middleware.

    ``ALLOWED_HOSTS`` goes on guarding every other page. Without it the routes are served by the URLconf, behind
    whatever the project lists: ``CommonMiddleware`` refuses a tunnel's Host with a 400 there.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        """Keep the rest of the chain for every other path."""
        self._get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        """Answer the path of a route or of a page for monitoring; pass on any other."""
        path = request.path_info
        route = get_runtime().routes.get(path)
        if route is not None:
            return view_of(route)(request)
        return view_of_page(path)(request) if is_page(path) else self._get_response(request)


class SignInLimitMiddleware(MiddlewareMixin):
    """List it last in ``MIDDLEWARE``: it limits attempts to sign in, before Django computes the hash of a password.

    It looks at what is posted to the sign-in of an admin site and to Django's ``LoginView``, under whatever path. What
    other middleware refuses, for want of a CSRF token for example, is no attempt. ``sign_ins.limits`` has the numbers.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        """Listen to Django's own announcement of a sign-in."""
        super().__init__(get_response)
        user_logged_in.connect(_note_success, dispatch_uid="openclaw_webhooks.sign_ins")

    def __call__(self, request: HttpRequest) -> HttpResponseBase | Awaitable[HttpResponseBase]:
        """Take what was let through to its end."""
        if self.async_mode:
            return self.__acall__(request)
        try:
            return self.get_response(request)
        finally:
            if entered := _leave(request):
                _note_end(entered.attempt)

    async def __acall__(self, request: HttpRequest) -> Any:
        """Do the same under an asynchronous handler."""
        try:
            return await self.get_response(request)  # type: ignore[misc]
        finally:
            if entered := _leave(request):
                await sync_to_async(_note_end)(entered.attempt)

    def process_view(
        self, request: HttpRequest, view: Callable[..., Any], _args: Sequence[Any], _named: Mapping[str, Any]
    ) -> HttpResponse | None:
        """Let an attempt through, or answer it. Django calls this in a thread where its handler is asynchronous."""
        if request.method != "POST" or not _is_sign_in(inspect.unwrap(view, stop=_is_sign_in)):
            return None
        runtime = get_runtime()
        attempt = SignInAttempt(
            account=normalise_account(_read_name(request)),
            address=network_of(runtime.pipeline.find_client(build_head_of(request))),
        )
        refusal = runtime.sign_in_limits.enter(attempt)
        if refusal is None:
            vars(request)[_ENTERED] = _Entered(runtime.sign_in_limits, attempt)
            return None
        _tell(attempt, refusal.outcome)
        runtime.sign_in_refusals.note(refusal.outcome, attempt.address)
        return _answer(refusal)


class _Entered(NamedTuple):
    limits: SignInLimits
    attempt: SignInAttempt


_ENTERED: Final = "_openclaw_webhooks_sign_in"
_TEXTS: Final[Mapping[SignInOutcome, str]] = {
    SignInOutcome.OK: "Signed in from %s%s",
    SignInOutcome.FAILED: "Sign-in failed from %s%s",
    SignInOutcome.REFUSED_ADDRESS: "Sign-in refused, too many attempts from %s%s",
    SignInOutcome.REFUSED_ACCOUNT: "Sign-in refused, too many attempts on one account, the latest from %s%s",
    SignInOutcome.BUSY: "Sign-in refused, too many at once, the latest from %s%s",
    SignInOutcome.LIMITS_UNAVAILABLE: "Sign-in refused, its limits cannot be counted, from %s%s",
}
_UNNAMED: Final = (SignInOutcome.REFUSED_ADDRESS, SignInOutcome.LIMITS_UNAVAILABLE)
"""Outcomes for which the account is not looked up: they cost no statement."""


def _is_sign_in(view: Any) -> bool:
    # Here, because a project that serves routes alone need not have installed them.
    from django.contrib.admin.sites import AdminSite  # noqa: PLC0415
    from django.contrib.auth.views import LoginView  # noqa: PLC0415

    if isinstance(getattr(view, "__self__", None), AdminSite):
        return bool(view.__name__ == "login")
    view_class = getattr(view, "view_class", None)
    return isinstance(view_class, type) and issubclass(view_class, LoginView)


def _read_name(request: HttpRequest) -> str:
    try:
        return request.POST.get("username", "")
    except UnreadablePostError:  # the caller left; Django's form then finds nothing
        return ""


def _note_success(*, request: HttpRequest | None, **_: Any) -> None:
    entered: _Entered | None = vars(request).get(_ENTERED) if request is not None else None
    if entered is not None:
        entered.attempt.has_succeeded = True
        remember_address(entered.attempt.account, entered.attempt.address)


def _leave(request: HttpRequest) -> _Entered | None:
    entered: _Entered | None = vars(request).pop(_ENTERED, None)
    if entered is not None:
        entered.limits.leave()
    return entered


def _note_end(attempt: SignInAttempt) -> None:
    _tell(attempt, SignInOutcome.OK if attempt.has_succeeded else SignInOutcome.FAILED)


def _tell(attempt: SignInAttempt, outcome: SignInOutcome) -> None:
    """Tell the log and the metrics."""
    get_runtime().watch.note_sign_in(outcome)
    name = None if outcome in _UNNAMED else attempt.name
    level = logging.INFO if outcome is SignInOutcome.OK else logging.WARNING
    logger.log(level, _TEXTS[outcome], attempt.address, f" as {name}" if name else "")


def _answer(refusal: SignInRefusal) -> HttpResponse:
    is_limit = refusal.outcome in (SignInOutcome.REFUSED_ADDRESS, SignInOutcome.REFUSED_ACCOUNT)
    status = HTTPStatus.TOO_MANY_REQUESTS if is_limit else HTTPStatus.SERVICE_UNAVAILABLE
    headers = {"Retry-After": str(refusal.retry_after_seconds)}
    return HttpResponse(status.phrase, status=status, content_type="text/plain; charset=utf-8", headers=headers)
