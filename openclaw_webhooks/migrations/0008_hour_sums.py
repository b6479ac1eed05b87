from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("openclaw_webhooks", "0007_flow_filters"),
    ]

    operations = [
        migrations.AddIndex(
            model_name="callhour",
            index=models.Index(fields=["outcome", "hour_ms", "count"], name="openclaw_hour_sums"),
        ),
    ]
