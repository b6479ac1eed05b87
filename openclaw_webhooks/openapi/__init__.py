"""What the routes take and answer, as OpenAPI 3.1. Needs drf-spectacular (``openclaw-webhooks[openapi]``).

The requests come from the serializers of the actions, the answers from the tables that make them: nothing is written
down a second time. Only commands and pages come here, never a webhook request.
"""

from __future__ import annotations
