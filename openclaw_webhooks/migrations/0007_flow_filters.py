from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("openclaw_webhooks", "0006_operators_lists"),
    ]

    operations = [
        migrations.AddIndex(
            model_name="flow",
            index=models.Index(fields=["status", "controller_id"], name="openclaw_flow_status"),
        ),
    ]
