"""Puts the request id on whatever is logged while the engine works for a call, by whomever."""

from __future__ import annotations

import logging

from openclaw_webhooks.call_context import get_call_context

__all__ = ["RequestIdFilter"]


class RequestIdFilter(logging.Filter):
    """For a handler of ``logging``: records get ``request_id``, empty where they belong to no call. Drops none."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Note the id on the record."""
        record.request_id = get_call_context().request_id
        return True
