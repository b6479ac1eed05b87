"""The limits of signing in: by address, by account, and how many at once in a process. Knows no HTTP.

They are counted in stores of their own, so that neither a flood of sign-ins makes the store of the routes forget a
caller, nor a flood of addresses makes the limits forget an account.
"""

from __future__ import annotations

import threading
import unicodedata
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cached_property
from ipaddress import IPv6Address, ip_network
from typing import Final, NamedTuple, Self

from django.utils.module_loading import import_string

from openclaw_webhooks.conf.limit_cache import has_shared_cache
from openclaw_webhooks.conf.settings import PROCESS_MEMORY_STORE, REDIS_STORE, AppSettings
from openclaw_webhooks.exceptions import LimitStoreUnavailable
from openclaw_webhooks.guards.client_address import parse_address
from openclaw_webhooks.guards.limits.base import LimitKey, Limits, LimitStore
from openclaw_webhooks.models.sign_ins import ACCOUNT_LENGTH, ADDRESS_LENGTH
from openclaw_webhooks.sign_ins.known_addresses import fetch_known_addresses

SIGN_IN_LIMITS: Final = Limits(rate=10, window_seconds=60.0, in_flight=1)
"""Attempts of one address, whatever the account; and attempts on one account from all addresses."""
STRANGERS_AT_ONCE: Final = 2
"""How many sign-ins of a process are let through at once: one password is computed, one waits for its turn.

Further ones are asked to come again: the threads that serve pages (four at the ASGI door) are left to others.
"""
AT_ONCE: Final = STRANGERS_AT_ONCE + 1
"""The same with those from an address that the account is known to sign in from: strangers never take all places."""

_ADDRESSES: Final = "sign-ins by address"
_ACCOUNTS: Final = "sign-ins by account"
_IPV6_NETWORK_BITS: Final = 64


class SignInOutcome(StrEnum):
    """What became of an attempt."""

    OK = "ok"
    FAILED = "failed"
    REFUSED_ADDRESS = "refused_address"
    REFUSED_ACCOUNT = "refused_account"
    BUSY = "busy"
    LIMITS_UNAVAILABLE = "limits_unavailable"


class SignInRefusal(NamedTuple):
    """Why an attempt is not let through, and after how many seconds another one may be."""

    outcome: SignInOutcome
    retry_after_seconds: int = 1


@dataclass
class SignInAttempt:
    """One attempt to sign in.

    Attributes:
        account: The name as it was typed, made comparable; perhaps no account's, and then perhaps a password.
        address: Where it comes from, as ``network_of`` tells.
        has_succeeded: Set where the password was right.
    """

    account: str
    address: str
    has_succeeded: bool = field(default=False, init=False)

    @cached_property
    def known_addresses(self) -> frozenset[str]:
        """Return where the account signed in from lately; looked up once, where it matters."""
        return fetch_known_addresses(self.account) if self.account else frozenset()

    @property
    def is_known(self) -> bool:
        """Tell whether the account signed in from there lately."""
        return self.address in self.known_addresses

    @property
    def name(self) -> str | None:
        """Return the account where it is known to be one: anything else that was typed is shown to nobody."""
        return self.account if self.known_addresses else None


class SignInLimits:
    """The limits of one process; the stores make them hold over more."""

    def __init__(self, *, addresses: LimitStore, accounts: LimitStore, fail_open: bool = False) -> None:
        """Count in these stores.

        Args:
            addresses: For what is counted by address.
            accounts: For what is counted by account.
            fail_open: Whether attempts pass that cannot be counted.
        """
        self._addresses, self._accounts = addresses, accounts
        self._fail_open = fail_open
        self._lock = threading.Lock()
        self._inside = 0

    @classmethod
    def of_deployment(cls, name: str, settings: AppSettings, *, is_alone: bool = False) -> Self:
        """Count where the project's cache is shared: there, by django-ratelimit; else as its routes are counted.

        ``is_alone`` has a process count for itself.
        """
        path = PROCESS_MEMORY_STORE if is_alone else REDIS_STORE if has_shared_cache() else settings.limit_store
        make_store = import_string(path).of_deployment
        return cls(
            addresses=make_store(f"{name}-sign-in-addresses", SIGN_IN_LIMITS),
            accounts=make_store(f"{name}-sign-in-accounts", SIGN_IN_LIMITS),
            fail_open=settings.limits_fail_open,
        )

    def enter(self, attempt: SignInAttempt) -> SignInRefusal | None:
        """Let an attempt through, after which ``leave`` must be called, or say why not."""
        try:
            refusal = self._count(attempt)
        except LimitStoreUnavailable:
            refusal = None if self._fail_open else SignInRefusal(SignInOutcome.LIMITS_UNAVAILABLE)
        if refusal is None and not self._take_place(attempt):
            refusal = SignInRefusal(SignInOutcome.BUSY)
        return refusal

    def leave(self) -> None:
        """Give the place of an attempt to the next one."""
        with self._lock:
            self._inside -= 1

    def close(self) -> None:
        """Let go of the stores."""
        self._addresses.close()
        self._accounts.close()

    def _count(self, attempt: SignInAttempt) -> SignInRefusal | None:
        verdict = self._addresses.hit(LimitKey(_ADDRESSES, attempt.address))
        if not verdict.allowed:
            return SignInRefusal(SignInOutcome.REFUSED_ADDRESS, verdict.retry_after_seconds)
        if not attempt.account:  # no name, no password is looked at
            return None
        verdict = self._accounts.hit(LimitKey(_ACCOUNTS, attempt.account))
        if not verdict.allowed and not attempt.is_known:
            return SignInRefusal(SignInOutcome.REFUSED_ACCOUNT, verdict.retry_after_seconds)
        return None

    def _take_place(self, attempt: SignInAttempt) -> bool:
        return self._take_one_of(STRANGERS_AT_ONCE) or (attempt.is_known and self._take_one_of(AT_ONCE))

    def _take_one_of(self, places: int) -> bool:
        with self._lock:
            is_free = self._inside < places
            self._inside += is_free
            return is_free


def normalise_account(typed: str) -> str:
    """Make a name comparable, as Django's form does; what is longer than any name is cut first."""
    text = typed.strip().replace("\x00", "")[:ACCOUNT_LENGTH]
    return unicodedata.normalize("NFKC", text).casefold()[:ACCOUNT_LENGTH]


def network_of(client: str) -> str:
    """Return what a client's address is counted under: of IPv6 the network of 64 bits, which one machine has whole."""
    address = parse_address(client)
    if isinstance(address, IPv6Address):
        return str(ip_network((address, _IPV6_NETWORK_BITS), strict=False))
    return client[:ADDRESS_LENGTH]
