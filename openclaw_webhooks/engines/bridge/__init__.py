"""The engine that drives a real Gateway's TaskFlows over the bridge: see docs/bridge-protocol.md.

``transport`` moves bytes, ``breaker`` keeps a dead Gateway from holding threads, ``client`` makes calls and says what
is known of their outcome, ``decoding`` and ``mapping`` turn the Gateway's words into this app's, ``session`` makes the
calls of one session and ``engine`` is the ``Engine``. Only ``configured`` knows Django.
"""

from openclaw_webhooks.engines.bridge.engine import BridgeEngine

__all__ = ["BridgeEngine"]
