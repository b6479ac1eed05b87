"""Authenticated webhook routes that create and drive OpenClaw TaskFlows, as a reusable Django app.

Add ``"openclaw_webhooks"`` to ``INSTALLED_APPS``; see the README for the ten lines of settings around it.
"""

__version__ = "0.1.0a1"
