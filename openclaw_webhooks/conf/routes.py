"""A configured route.

Source: specification.txt ("Configure routes"), contract.md section 1.
"""

from __future__ import annotations

from dataclasses import dataclass

from openclaw_webhooks.secrets.refs import Secret


@dataclass(frozen=True, slots=True, kw_only=True)
class RouteConfig:
    """One healthy route, every default filled in.

    Attributes:
        route_id: Its key under ``routes``; the only name a caller ever sees.
        path: Absolute, with a leading and without a trailing slash; unique among enabled routes.
        session_key: The session whose TaskFlows it acts on. Never shown to callers.
        secret: What callers must present.
        controller_id: The controller of a flow that is created without one.
        description: A note for operators.
        enabled: Whether it serves; a disabled route answers 404 like any unknown path.
    """

    route_id: str
    path: str
    session_key: str
    secret: Secret
    controller_id: str
    description: str = ""
    enabled: bool = True
