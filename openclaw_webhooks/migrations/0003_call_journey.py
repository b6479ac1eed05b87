from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("openclaw_webhooks", "0002_call"),
    ]

    operations = [
        migrations.AddField(
            model_name="call",
            name="journey",
            field=models.CharField(
                blank=True, help_text="µs of each phase.", max_length=128, null=True, verbose_name="journey"
            ),
        ),
    ]
