from typing import Any

import django.db.models.deletion
from django.db import migrations, models

FLOWS = '"openclaw_webhooks_flow"'
REVISIONS = '"openclaw_webhooks_flowrevision"'
COLUMNS = (
    "revision",
    "status",
    "current_step",
    "blocked_task_id",
    "blocked_summary",
    "state_json",
    "wait_json",
    "cancel_requested_at_ms",
    "updated_at_ms",
    "ended_at_ms",
    "actor",
    "request_id",
)
KEPT = 100

# What a row was goes into the history before it becomes something else; the oldest beyond the hundredth goes.
BODY = f"""
    INSERT INTO {REVISIONS} (parent_flow_id, {", ".join(COLUMNS)})
    VALUES (OLD.id, {", ".join(f"OLD.{name}" for name in COLUMNS)});
    DELETE FROM {REVISIONS} WHERE parent_flow_id = OLD.id AND revision <= OLD.revision - {KEPT};
"""
CREATE = {
    "sqlite": (
        f"""
        CREATE TRIGGER openclaw_flow_history AFTER UPDATE OF revision ON {FLOWS}
        WHEN OLD.revision <> NEW.revision BEGIN {BODY} END
        """,
    ),
    "postgresql": (
        f"""
        CREATE OR REPLACE FUNCTION openclaw_flow_history() RETURNS trigger LANGUAGE plpgsql AS
        $body$ BEGIN {BODY} RETURN NULL; END $body$
        """,
        f"""
        CREATE TRIGGER openclaw_flow_history AFTER UPDATE OF revision ON {FLOWS} FOR EACH ROW
        WHEN (OLD.revision <> NEW.revision) EXECUTE FUNCTION openclaw_flow_history()
        """,
    ),
}
DROP = {
    "sqlite": ("DROP TRIGGER IF EXISTS openclaw_flow_history",),
    "postgresql": (
        f"DROP TRIGGER IF EXISTS openclaw_flow_history ON {FLOWS}",
        "DROP FUNCTION IF EXISTS openclaw_flow_history()",
    ),
}


def create_trigger(apps: Any, schema_editor: Any) -> None:
    for statement in CREATE.get(schema_editor.connection.vendor, ()):
        schema_editor.execute(statement)


def drop_trigger(apps: Any, schema_editor: Any) -> None:
    for statement in DROP.get(schema_editor.connection.vendor, ()):
        schema_editor.execute(statement)


class Migration(migrations.Migration):
    dependencies = [
        ("openclaw_webhooks", "0003_call_journey"),
    ]

    operations = [
        migrations.AddField(
            model_name="flow",
            name="actor",
            field=models.CharField(
                blank=True,
                db_default="",
                default="",
                help_text="Of this revision.",
                max_length=200,
                verbose_name="changed by",
            ),
        ),
        migrations.AddField(
            model_name="flow",
            name="request_id",
            field=models.CharField(
                blank=True,
                db_default="",
                default="",
                help_text="Of the change.",
                max_length=64,
                verbose_name="request id",
            ),
        ),
        migrations.CreateModel(
            name="FlowRevision",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("revision", models.BigIntegerField(verbose_name="revision")),
                ("status", models.CharField(max_length=16, verbose_name="status")),
                ("current_step", models.TextField(blank=True, default="", verbose_name="current step")),
                ("blocked_task_id", models.TextField(blank=True, default="", verbose_name="blocked by task")),
                ("blocked_summary", models.TextField(blank=True, default="", verbose_name="blocked because")),
                ("state_json", models.TextField(blank=True, default="", verbose_name="state")),
                ("wait_json", models.TextField(blank=True, default="", verbose_name="waits for")),
                (
                    "cancel_requested_at_ms",
                    models.BigIntegerField(blank=True, null=True, verbose_name="cancel requested at (ms)"),
                ),
                (
                    "updated_at_ms",
                    models.BigIntegerField(help_text="When it became so.", verbose_name="updated at (ms)"),
                ),
                ("ended_at_ms", models.BigIntegerField(blank=True, null=True, verbose_name="ended at (ms)")),
                ("actor", models.CharField(blank=True, default="", max_length=200, verbose_name="changed by")),
                ("request_id", models.CharField(blank=True, default="", max_length=64, verbose_name="request id")),
                (
                    "parent_flow",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="revisions",
                        to="openclaw_webhooks.flow",
                        verbose_name="TaskFlow",
                    ),
                ),
            ],
            options={
                "verbose_name": "revision",
                "verbose_name_plural": "revisions",
                "default_permissions": (),
                "constraints": [
                    models.UniqueConstraint(fields=("parent_flow", "revision"), name="openclaw_flow_history")
                ],
            },
        ),
        migrations.RunPython(create_trigger, drop_trigger),
    ]
