from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("openclaw_webhooks", "0008_hour_sums"),
    ]

    operations = [
        migrations.CreateModel(
            name="KnownAddress",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                (
                    "account",
                    models.CharField(
                        help_text="The name signed in with, lower case.", max_length=254, verbose_name="account"
                    ),
                ),
                (
                    "address",
                    models.CharField(
                        help_text="As the limits see it; of IPv6 the network of 64 bits.",
                        max_length=64,
                        verbose_name="address",
                    ),
                ),
                (
                    "signed_in_at_ms",
                    models.BigIntegerField(help_text="The last time.", verbose_name="signed in at (ms)"),
                ),
            ],
            options={
                "verbose_name": "known address",
                "verbose_name_plural": "known addresses",
                "ordering": ("-signed_in_at_ms", "-id"),
                "default_permissions": ("view", "delete"),
                "indexes": [models.Index(fields=["signed_in_at_ms"], name="openclaw_known_time")],
                "constraints": [models.UniqueConstraint(fields=("account", "address"), name="openclaw_known_address")],
            },
        ),
        migrations.CreateModel(
            name="SignInRefusals",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("hour_ms", models.BigIntegerField(help_text="Start of the hour.", verbose_name="hour")),
                ("reason", models.CharField(max_length=32, verbose_name="reason")),
                ("count", models.BigIntegerField(verbose_name="sign-ins")),
                ("last_at_ms", models.BigIntegerField(verbose_name="last time")),
                ("last_address", models.CharField(max_length=64, verbose_name="last address")),
            ],
            options={
                "verbose_name": "refused sign-ins of an hour",
                "verbose_name_plural": "refused sign-ins by the hour",
                "default_permissions": (),
                "constraints": [
                    models.UniqueConstraint(fields=("hour_ms", "reason"), name="openclaw_sign_in_refusals")
                ],
            },
        ),
    ]
