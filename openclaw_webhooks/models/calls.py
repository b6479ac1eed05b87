"""The tables of the record of calls: the calls themselves, and their numbers by the minute.

They hold no secret, no header and no body. Only ``calls.writer`` inserts and only ``calls.retention`` deletes. Times
are Unix milliseconds, so that every filter on time is a range of one index on every database. What a call does not
have is NULL, so that the partial indexes leave it out and a row costs few index entries.
"""

from __future__ import annotations

from django.db import models
from django.db.models import F, Q

ROUTE_ID_LENGTH = 128


class Outcome(models.TextChoices):
    """What became of a call, as the numbers by the minute tell it apart."""

    ACCEPTED = "accepted", "accepted"
    """The engine was asked and answered, be it with a conflict."""
    REFUSED = "refused", "refused"
    """A guard or the schema refused it with a 4xx."""
    FAILED = "failed", "failed"
    """It was answered with a 5xx."""
    GONE = "gone", "gone"
    """The caller went away before an answer."""
    LOST = "lost", "not recorded"
    """It was served, and its record dropped under overload: it is in the numbers and has no row."""


class Call(models.Model):
    """One call that reached a route, or the rest of a minute's equal refusals folded into one row.

    A folded row's ``count`` is above 1 or may grow; its durations and bytes are sums over ``count`` calls, and it has
    no request id and no journey, which ``calls.journey.parse_journey`` reads. ``fold_key`` is a digest of what makes
    refusals equal, ``fold_slot`` the place of a refusal among them: so every worker process folds into the same row.
    """

    at_ms = models.BigIntegerField("time", help_text="Start of the call, of the first one for a folded row.")
    at_hour = models.GeneratedField(
        expression=F("at_ms") / 3_600_000, output_field=models.IntegerField("hour"), db_persist=True
    )
    last_at_ms = models.BigIntegerField(
        "last time", null=True, blank=True, help_text="Start of the last call of a folded row."
    )
    count = models.IntegerField(
        "calls", default=1, db_default=1, help_text="How many equal refusals this row stands for."
    )
    route_id = models.CharField("route", max_length=ROUTE_ID_LENGTH)
    action = models.CharField("action", max_length=32, null=True, blank=True)  # noqa: DJ001 - see the module's text
    status = models.SmallIntegerField("status", help_text="0: the caller went away before an answer.")
    status_class = models.GeneratedField(
        expression=F("status") / 100, output_field=models.SmallIntegerField("status class"), db_persist=True
    )
    code = models.CharField("code", max_length=32, null=True, blank=True)  # noqa: DJ001
    refused_by = models.CharField("refused by", max_length=16, null=True, blank=True)  # noqa: DJ001
    client = models.CharField("client", max_length=64, help_text="Address as the limits see it.")
    request_id = models.CharField("request id", max_length=64, null=True, blank=True)  # noqa: DJ001
    flow_id = models.CharField("flow id", max_length=64, null=True, blank=True)  # noqa: DJ001
    duration_us = models.BigIntegerField("duration (µs)")
    engine_us = models.BigIntegerField("engine's part (µs)", null=True, blank=True)
    body_bytes = models.BigIntegerField("body (bytes)", null=True, blank=True)
    journey = models.CharField("journey", max_length=128, null=True, blank=True, help_text="µs of each phase.")  # noqa: DJ001
    fold_key = models.BigIntegerField(null=True, blank=True, editable=False)
    fold_slot = models.SmallIntegerField(null=True, blank=True, editable=False)

    class Meta:
        """An index per filter of the admin, each ending in the time that the list is ordered by.

        Ids are random, and with a million rows an insert into an index of them touches a page of its own: 20 µs each.
        Led by the hour the same index grows at its end and costs nothing to speak of; a search tries every hour.
        """

        verbose_name = "call"
        verbose_name_plural = "calls"
        ordering = ("-at_ms", "-id")
        constraints = (
            models.UniqueConstraint(
                fields=("fold_key", "fold_slot"), condition=Q(fold_key__isnull=False), name="openclaw_call_fold"
            ),
        )
        indexes = (
            models.Index(fields=("at_ms",), name="openclaw_call_time"),
            models.Index(fields=("route_id", "at_ms"), name="openclaw_call_route"),
            models.Index(fields=("client", "at_ms"), name="openclaw_call_client"),
            models.Index(fields=("status_class", "at_ms"), name="openclaw_call_status"),
            models.Index(fields=("action", "at_ms"), condition=Q(action__isnull=False), name="openclaw_call_action"),
            models.Index(fields=("code", "at_ms"), condition=Q(code__isnull=False), name="openclaw_call_code"),
            models.Index(
                fields=("refused_by", "at_ms"), condition=Q(refused_by__isnull=False), name="openclaw_call_refused"
            ),
            models.Index(
                fields=("at_hour", "request_id"), condition=Q(request_id__isnull=False), name="openclaw_call_request"
            ),
            models.Index(fields=("at_hour", "flow_id"), condition=Q(flow_id__isnull=False), name="openclaw_call_flow"),
        )

    def __str__(self) -> str:
        """Name the call by route and answer, without its caller."""
        return f"{self.route_id}: {self.action or self.refused_by or 'call'} ({self.status})"


class CallMinute(models.Model):
    """How many calls of one route had one outcome in one minute: every call counts here, recorded in a row or not.

    Written in the transaction that writes the rows, so both agree. The pages read their numbers from here, because
    counting a million rows for every look at a page would not do.
    """

    minute_ms = models.BigIntegerField("minute", help_text="Start of the minute.")
    route_id = models.CharField("route", max_length=ROUTE_ID_LENGTH)
    outcome = models.CharField("outcome", max_length=8, choices=Outcome)
    count = models.BigIntegerField("calls")
    last_at_ms = models.BigIntegerField("last time")

    class Meta:
        """The constraint serves spans of time, the index a route's last call."""

        verbose_name = "calls of a minute"
        verbose_name_plural = "calls by the minute"
        default_permissions = ()
        constraints = (
            models.UniqueConstraint(fields=("minute_ms", "route_id", "outcome"), name="openclaw_minute_key"),
        )
        indexes = (models.Index(fields=("route_id", "minute_ms"), name="openclaw_minute_route"),)

    def __str__(self) -> str:
        """Name route, outcome and number."""
        return f"{self.route_id}: {self.count} {self.outcome}"


class CallHour(models.Model):
    """The same by the hour, for spans of days: a month is 720 hours and 43,200 minutes.

    Written with the minutes, in the same transaction, so both agree.
    """

    hour_ms = models.BigIntegerField("hour", help_text="Start of the hour.")
    route_id = models.CharField("route", max_length=ROUTE_ID_LENGTH)
    outcome = models.CharField("outcome", max_length=8, choices=Outcome)
    count = models.BigIntegerField("calls")

    class Meta:
        """The constraint serves single hours; the index adds up weeks of them without a look at the rows."""

        verbose_name = "calls of an hour"
        verbose_name_plural = "calls by the hour"
        default_permissions = ()
        constraints = (models.UniqueConstraint(fields=("hour_ms", "route_id", "outcome"), name="openclaw_hour_key"),)
        indexes = (models.Index(fields=("outcome", "hour_ms", "count"), name="openclaw_hour_sums"),)

    def __str__(self) -> str:
        """Name route, outcome and number."""
        return f"{self.route_id}: {self.count} {self.outcome}"


class Route(Call):
    """No table: the name under which the admin lists its page of routes, which needs the permission to view calls."""

    class Meta:
        """A proxy, so that the page has an address and a place in the admin's list."""

        proxy = True
        default_permissions = ()
        verbose_name = "route"
        verbose_name_plural = "routes"

    def __str__(self) -> str:
        """Name the route."""
        return self.route_id
