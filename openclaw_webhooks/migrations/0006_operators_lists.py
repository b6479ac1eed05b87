from typing import Any

from django.db import migrations, models


def add_up_hours(apps: Any, schema_editor: Any) -> None:
    schema_editor.execute(
        "INSERT INTO openclaw_webhooks_callhour (hour_ms, route_id, outcome, count)"
        " SELECT minute_ms / 3600000 * 3600000, route_id, outcome, SUM(count)"
        " FROM openclaw_webhooks_callminute GROUP BY 1, 2, 3"
    )


class Migration(migrations.Migration):
    dependencies = [
        ("openclaw_webhooks", "0005_admin_pages"),
    ]

    operations = [
        migrations.CreateModel(
            name="CallHour",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("hour_ms", models.BigIntegerField(help_text="Start of the hour.", verbose_name="hour")),
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
            ],
            options={
                "verbose_name": "calls of an hour",
                "verbose_name_plural": "calls by the hour",
                "default_permissions": (),
                "constraints": [
                    models.UniqueConstraint(fields=("hour_ms", "route_id", "outcome"), name="openclaw_hour_key")
                ],
            },
        ),
        migrations.RunPython(add_up_hours, migrations.RunPython.noop),
    ]
