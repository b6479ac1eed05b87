"""Every way in which a guard turns a call away: one table. Which guard comes when is the pipeline's business.

Source: contract.md section 3.
"""

from __future__ import annotations

from http import HTTPStatus
from typing import Final, NamedTuple

from openclaw_webhooks.calls.record import Step
from openclaw_webhooks.exceptions import BodyError, BodyNotJson, BodyTimeout, BodyTooLarge, ClientGone


class Refusal(NamedTuple):
    """One way to be turned away.

    Attributes:
        step: The step of the pipeline that it belongs to.
        text: The whole body of the answer.
        headers: What it has beside those of every refusal; pairs in lower case.
        close: The connection must not be used again.
        code: What the call's record shows; the caller does not see it.
    """

    step: Step
    status: HTTPStatus
    text: str
    headers: tuple[tuple[str, str], ...] = ()
    close: bool = False
    code: str | None = None


METHOD: Final = Refusal(Step.METHOD, HTTPStatus.METHOD_NOT_ALLOWED, "Method Not Allowed", (("allow", "POST"),))
METHOD_OF_HEAD: Final = METHOD._replace(text="")  # RFC 9110 section 9.3.2
MEDIA_TYPE: Final = Refusal(Step.MEDIA_TYPE, HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "Unsupported Media Type")
RATE_LIMIT: Final = Refusal(Step.RATE_LIMIT, HTTPStatus.TOO_MANY_REQUESTS, "Too Many Requests")
IN_FLIGHT_LIMIT: Final = Refusal(Step.IN_FLIGHT_LIMIT, HTTPStatus.TOO_MANY_REQUESTS, "Too Many Requests")
# Fail closed where the limits cannot be known: an uncounted request could be one of a million.
LIMITS_UNAVAILABLE: Final = Refusal(
    Step.RATE_LIMIT, HTTPStatus.SERVICE_UNAVAILABLE, "Service Unavailable", code="limits_unavailable"
)
# RFC 9110 section 11.6.1: a 401 names a scheme.
SECRET: Final = Refusal(Step.AUTHENTICATION, HTTPStatus.UNAUTHORIZED, "unauthorized", (("www-authenticate", "Bearer"),))
TOO_LARGE: Final = Refusal(Step.BODY, HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "Payload too large", close=True)
TOO_SLOW: Final = Refusal(Step.BODY, HTTPStatus.REQUEST_TIMEOUT, "Request body timeout", close=True)
NOT_JSON: Final = Refusal(Step.JSON, HTTPStatus.BAD_REQUEST, "invalid request body")
# Nobody reads this one; it is for servers that insist on an answer.
CLIENT_GONE: Final = Refusal(Step.BODY, HTTPStatus.BAD_REQUEST, "invalid request body", close=True, code="client_gone")
BODY_REFUSALS: Final[dict[type[BodyError], Refusal]] = {
    BodyTooLarge: TOO_LARGE,
    BodyTimeout: TOO_SLOW,
    BodyNotJson: NOT_JSON,
    ClientGone: CLIENT_GONE,
}
