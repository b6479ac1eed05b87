"""Which addresses an account signed in from, kept in the database: it outlives restarts and is one for all machines."""

from __future__ import annotations

import logging
import time
from typing import Final

from django.db import Error, router, transaction

from openclaw_webhooks.models import KnownAddress

KNOWN_DAYS: Final = 30
"""How long after a sign-in its address is known to the account."""
MOST_OF_ACCOUNT: Final = 100
"""Addresses that are kept of one account: the latest ones."""

_DAY_MS: Final = 86_400_000

logger = logging.getLogger("openclaw_webhooks.sign_ins")


def fetch_known_addresses(account: str) -> frozenset[str]:
    """Return where the account signed in from within 30 days; none for one that did not, or does not exist.

    None too where the table cannot be read, for example before the migration: nobody is kept out by that alone.
    """
    rows = KnownAddress.objects.filter(account=account, signed_in_at_ms__gte=oldest_known_ms())
    try:
        return frozenset(rows.order_by().values_list("address", flat=True)[:MOST_OF_ACCOUNT])
    except Error as error:
        logger.warning("Known addresses could not be read: %s", type(error).__name__)
        return frozenset()


def remember_address(account: str, address: str) -> None:
    """Note that the account has just signed in from there, which holds also where this cannot be written."""
    try:
        # A block of its own: the sign-in may be part of a transaction of the project, which goes on.
        with transaction.atomic(using=router.db_for_write(KnownAddress)):
            _write(account, address)
    except Error as error:
        logger.warning("The address of a sign-in could not be kept: %s", type(error).__name__)


def _write(account: str, address: str) -> None:
    now_ms = time.time_ns() // 1_000_000
    KnownAddress.objects.update_or_create(account=account, address=address, defaults={"signed_in_at_ms": now_ms})
    of_account = KnownAddress.objects.filter(account=account)
    surplus = list(of_account.values_list("pk", flat=True)[MOST_OF_ACCOUNT:])
    if surplus:
        KnownAddress.objects.filter(pk__in=surplus).delete()


def oldest_known_ms() -> int:
    """Return before when a sign-in is forgotten, Unix milliseconds."""
    return time.time_ns() // 1_000_000 - KNOWN_DAYS * _DAY_MS
