"""Which secret a request presents. Whether it is the right one is ``secrets``' business.

Source: specification.txt ("Request format"), contract.md section 3, step 5. The odd cases are as the Gateway 2026.7.1
was seen to judge them.
"""

from __future__ import annotations

from typing import Final

from openclaw_webhooks.guards.head import RequestHead
from openclaw_webhooks.values import WHITE_SPACE

SECRET_HEADER: Final = "x-openclaw-webhook-secret"  # noqa: S105 - the name of a header
_SCHEME: Final = "bearer "


def presented_secret(head: RequestHead) -> str:
    """Return the secret that the request presents, trimmed, ``""`` where it presents none.

    ``Bearer``, a space and something decides alone, even when it is wrong. A bare ``Bearer``, ``Bearer`` before a tab
    and any other scheme leave the decision to the header of our own.
    """
    authorization = head.headers.get("authorization", "").strip(WHITE_SPACE)
    if authorization[: len(_SCHEME)].lower() == _SCHEME:
        # Trimmed as a whole before, so something follows the space.
        return authorization[len(_SCHEME) :].strip(WHITE_SPACE)
    return head.headers.get(SECRET_HEADER, "").strip(WHITE_SPACE)
