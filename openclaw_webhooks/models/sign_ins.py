"""The tables of sign-ins: from which addresses accounts signed in, and how many attempts were refused by the hour.

They hold no password, and no name but those of accounts that have signed in. Times are Unix milliseconds.
"""

from __future__ import annotations

from django.db import models

ACCOUNT_LENGTH = 254
ADDRESS_LENGTH = 64


class KnownAddress(models.Model):
    """An address from which an account signed in: for 30 days no limit of the account refuses it.

    Delete the row to forget the address.
    """

    account = models.CharField("account", max_length=ACCOUNT_LENGTH, help_text="The name signed in with, lower case.")
    address = models.CharField(
        "address", max_length=ADDRESS_LENGTH, help_text="As the limits see it; of IPv6 the network of 64 bits."
    )
    signed_in_at_ms = models.BigIntegerField("signed in at (ms)", help_text="The last time.")

    class Meta:
        """The constraint finds an account's addresses, the index what is past its time."""

        verbose_name = "known address"
        verbose_name_plural = "known addresses"
        ordering = ("-signed_in_at_ms", "-id")
        default_permissions = ("view", "delete")
        constraints = (models.UniqueConstraint(fields=("account", "address"), name="openclaw_known_address"),)
        indexes = (models.Index(fields=("signed_in_at_ms",), name="openclaw_known_time"),)

    def __str__(self) -> str:
        """Name both."""
        return f"{self.account} from {self.address}"


class SignInRefusals(models.Model):
    """How many sign-ins were refused for one reason in one hour."""

    hour_ms = models.BigIntegerField("hour", help_text="Start of the hour.")
    reason = models.CharField("reason", max_length=32)
    count = models.BigIntegerField("sign-ins")
    last_at_ms = models.BigIntegerField("last time")
    last_address = models.CharField("last address", max_length=ADDRESS_LENGTH)

    class Meta:
        """The constraint serves spans of time."""

        verbose_name = "refused sign-ins of an hour"
        verbose_name_plural = "refused sign-ins by the hour"
        default_permissions = ()
        constraints = (models.UniqueConstraint(fields=("hour_ms", "reason"), name="openclaw_sign_in_refusals"),)

    def __str__(self) -> str:
        """Name reason and number."""
        return f"{self.count} {self.reason}"
