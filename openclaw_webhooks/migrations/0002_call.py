import django.db.models.expressions
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("openclaw_webhooks", "0001_initial"),
    ]

    operations = [
        migrations.CreateModel(
            name="Call",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                (
                    "at_ms",
                    models.BigIntegerField(
                        help_text="Start of the call, of the first one for a folded row.", verbose_name="time"
                    ),
                ),
                (
                    "at_hour",
                    models.GeneratedField(
                        db_persist=True,
                        expression=django.db.models.expressions.CombinedExpression(
                            models.F("at_ms"), "/", models.Value(3600000)
                        ),
                        output_field=models.IntegerField(verbose_name="hour"),
                    ),
                ),
                (
                    "last_at_ms",
                    models.BigIntegerField(
                        blank=True,
                        help_text="Start of the last call of a folded row.",
                        null=True,
                        verbose_name="last time",
                    ),
                ),
                (
                    "count",
                    models.IntegerField(
                        db_default=1,
                        default=1,
                        help_text="How many equal refusals this row stands for.",
                        verbose_name="calls",
                    ),
                ),
                ("route_id", models.CharField(max_length=128, verbose_name="route")),
                ("action", models.CharField(blank=True, max_length=32, null=True, verbose_name="action")),
                (
                    "status",
                    models.SmallIntegerField(
                        help_text="0: the caller went away before an answer.", verbose_name="status"
                    ),
                ),
                (
                    "status_class",
                    models.GeneratedField(
                        db_persist=True,
                        expression=django.db.models.expressions.CombinedExpression(
                            models.F("status"), "/", models.Value(100)
                        ),
                        output_field=models.SmallIntegerField(verbose_name="status class"),
                    ),
                ),
                ("code", models.CharField(blank=True, max_length=32, null=True, verbose_name="code")),
                ("refused_by", models.CharField(blank=True, max_length=16, null=True, verbose_name="refused by")),
                (
                    "client",
                    models.CharField(help_text="Address as the limits see it.", max_length=64, verbose_name="client"),
                ),
                ("request_id", models.CharField(blank=True, max_length=64, null=True, verbose_name="request id")),
                ("flow_id", models.CharField(blank=True, max_length=64, null=True, verbose_name="flow id")),
                ("duration_us", models.BigIntegerField(verbose_name="duration (µs)")),
                ("engine_us", models.BigIntegerField(blank=True, null=True, verbose_name="engine's part (µs)")),
                ("body_bytes", models.BigIntegerField(blank=True, null=True, verbose_name="body (bytes)")),
                ("fold_key", models.BigIntegerField(blank=True, editable=False, null=True)),
                ("fold_slot", models.SmallIntegerField(blank=True, editable=False, null=True)),
            ],
            options={
                "verbose_name": "call",
                "verbose_name_plural": "calls",
                "ordering": ("-at_ms", "-id"),
                "indexes": [
                    models.Index(fields=["at_ms"], name="openclaw_call_time"),
                    models.Index(fields=["route_id", "at_ms"], name="openclaw_call_route"),
                    models.Index(fields=["status_class", "at_ms"], name="openclaw_call_status"),
                    models.Index(
                        condition=models.Q(("action__isnull", False)),
                        fields=["action", "at_ms"],
                        name="openclaw_call_action",
                    ),
                    models.Index(
                        condition=models.Q(("code__isnull", False)), fields=["code", "at_ms"], name="openclaw_call_code"
                    ),
                    models.Index(
                        condition=models.Q(("refused_by__isnull", False)),
                        fields=["refused_by", "at_ms"],
                        name="openclaw_call_refused",
                    ),
                    models.Index(
                        condition=models.Q(("request_id__isnull", False)),
                        fields=["at_hour", "request_id"],
                        name="openclaw_call_request",
                    ),
                    models.Index(
                        condition=models.Q(("flow_id__isnull", False)),
                        fields=["at_hour", "flow_id"],
                        name="openclaw_call_flow",
                    ),
                ],
                "constraints": [
                    models.UniqueConstraint(
                        condition=models.Q(("fold_key__isnull", False)),
                        fields=("fold_key", "fold_slot"),
                        name="openclaw_call_fold",
                    )
                ],
            },
        ),
        migrations.CreateModel(
            name="Route",
            fields=[],
            options={
                "verbose_name": "route",
                "verbose_name_plural": "routes",
                "proxy": True,
                "default_permissions": (),
                "indexes": [],
                "constraints": [],
            },
            bases=("openclaw_webhooks.call",),
        ),
        migrations.CreateModel(
            name="CallMinute",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("minute_ms", models.BigIntegerField(help_text="Start of the minute.", verbose_name="minute")),
                ("route_id", models.CharField(max_length=128, verbose_name="route")),
                (
                    "outcome",
                    models.CharField(
                        choices=[
                            ("accepted", "accepted"),
                            ("refused", "refused"),
                            ("failed", "failed"),
                            ("gone", "gone"),
                            ("lost", "not recorded"),
                        ],
                        max_length=8,
                        verbose_name="outcome",
                    ),
                ),
                ("count", models.BigIntegerField(verbose_name="calls")),
                ("last_at_ms", models.BigIntegerField(verbose_name="last time")),
            ],
            options={
                "verbose_name": "calls of a minute",
                "verbose_name_plural": "calls by the minute",
                "default_permissions": (),
                "indexes": [models.Index(fields=["route_id", "minute_ms"], name="openclaw_minute_route")],
                "constraints": [
                    models.UniqueConstraint(fields=("minute_ms", "route_id", "outcome"), name="openclaw_minute_key")
                ],
            },
        ),
    ]
