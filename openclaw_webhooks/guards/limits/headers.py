"""What an answer can tell its caller of the rate limit: the fields of draft-ietf-httpapi-ratelimit-headers.

Source: draft-ietf-httpapi-ratelimit-headers-10, sections 3 and 4: ``RateLimit-Policy`` names a policy with its quota
and window, ``RateLimit`` what is left of it and the seconds until it begins anew. The in-flight limit has no window,
so that there is nothing to tell of it in advance.
"""

from __future__ import annotations

from typing import Final

from openclaw_webhooks.guards.limits.base import Allowance, Verdict

POLICY: Final = "requests"


def build_rate_headers(verdict: Verdict, allowance: Allowance) -> tuple[tuple[str, str], ...]:
    """Build both fields, as pairs in lower case; none where the verdict is not one of a window.

    A window that is no whole number of seconds is rounded up: fields of the draft are whole numbers.
    """
    if not verdict.reset_after_seconds:
        return ()
    window_seconds = -int(-allowance.window_seconds // 1)
    return (
        ("ratelimit-policy", f'"{POLICY}";q={allowance.rate};w={window_seconds}'),
        ("ratelimit", f'"{POLICY}";r={verdict.remaining};t={verdict.reset_after_seconds}'),
    )
