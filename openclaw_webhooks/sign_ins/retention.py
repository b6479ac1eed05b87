"""Deletes what is past its time of sign-ins: a row for each address and each hour, so never many."""

from __future__ import annotations

from openclaw_webhooks.models import KnownAddress, SignInRefusals
from openclaw_webhooks.sign_ins.known_addresses import oldest_known_ms


def prune_sign_ins(*, older_than_ms: int) -> None:
    """Delete refusals from before a moment (Unix milliseconds), and addresses that are no longer known."""
    SignInRefusals.objects.filter(hour_ms__lt=older_than_ms).delete()
    KnownAddress.objects.filter(signed_in_at_ms__lt=oldest_known_ms()).delete()
